"""What programs ask about the page of a node."""

from __future__ import annotations

from p2pchat.web.service import WebService
from tests.support.control_sockets import ControlledCase


class WebTests(ControlledCase):
    def test_without_one(self) -> None:
        answer = self.client.ask("web")
        self.assertEqual((answer["code"], answer["error"]), ("refused", "this node has no page"))

    def test_a_link_and_its_end(self) -> None:
        alice = self.place.alice
        page = WebService(self.place.reactor, alice, self.place.service.requests)
        alice.page = page
        self.addCleanup(page.stopService)
        answer = self.client.ask("web")
        self.assertEqual((answer["port"], answer["pages"]), (page.port, 0))
        base, _, token = answer["url"].partition("/#token=")
        self.assertEqual(base, f"http://127.0.0.1:{page.port}")
        self.assertTrue(self.client.ask("web", token=token)["waits"])
        self.assertFalse(self.client.ask("web", token="other")["waits"])
        self.client.say({"do": "web", "off": True})
        self.town.run(0.1)
        self.assertEqual([line["ok"] for line in self.client.heard()], [True])
        self.assertEqual(page.port, 0)
        self.assertFalse(self.client.ask("web", token=token)["waits"])
        self.assertEqual(self.client.ask("web", port=70_000)["code"], "bad_request")

    def test_who_may_only_look_opens_nothing(self) -> None:
        from p2pchat.control.answers import LOOKING

        self.assertNotIn("web", LOOKING)
