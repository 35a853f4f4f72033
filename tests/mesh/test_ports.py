"""Taking a port by an endpoint: what is refused, and in which sentence.

With real sockets it is tested in `tests/processes/test_ports`.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import endpoints
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.ports import CannotStartError, listen_on


class EndpointTests(SynchronousTestCase):
    def refused(self, description: str) -> str:
        with self.assertRaises(CannotStartError) as caught:
            listen_on(MemoryReactor(), ServerFactory(), description)
        self.assertIn(description, str(caught.exception))
        return str(caught.exception)

    def test_what_is_no_endpoint_is_said_in_a_sentence_of_ours(self) -> None:
        for description, why in (
            ("tcp:foo", "expected tcp:PORT[:interface=ADDRESS], the port from 0 to 65535"),
            ("tcp:", "expected tcp:PORT"),
            ("tcp:0:port=1", "expected tcp:PORT"),
            ("tcp:0:interface=::1", r"a colon in ADDRESS as \:"),
            ("tcp:1\\", "expected tcp:PORT"),
            ("unix:x:mode=9", "expected unix:PATH"),
            ("systemd:domain=INET", "expected systemd:domain=INET:index=NUMBER or "),
            ("systemd:domain=INET:index=3", "systemd handed over no such socket"),
            ("systemd:domain=INET:index=x", "expected systemd:domain=INET:index=NUMBER or "),
            ("nonsense:1", '"nonsense" is no kind of endpoint, or is written otherwise (usual '),
        ):
            with self.subTest(description=description):
                sentence = self.refused(description)
                self.assertTrue(sentence.startswith(f"cannot listen on {description}: "), sentence)
                self.assertIn(why, sentence)

    def test_a_kind_of_endpoint_whose_module_is_not_installed(self) -> None:
        def missing(*_: object) -> None:
            raise ModuleNotFoundError("No module named 'quic'", name="quic")

        self.patch(endpoints, "serverFromString", missing)
        self.assertIn("this needs the module quic, which is", self.refused("quic:1"))

    def test_one_that_is_not_ready_at_once(self) -> None:
        class Slow:
            def listen(self, factory: ServerFactory) -> Deferred[Any]:
                return Deferred()

        self.patch(endpoints, "serverFromString", lambda *_: Slow())
        self.assertIn("not ready", self.refused("slow:1"))
