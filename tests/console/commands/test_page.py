"""The page of the node: /web."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.node.page import Link
from tests.support.typed_commands import CommandCase


class FakePage:
    """What opens a page, and what came of it."""

    trouble = ""
    closed = 0

    def open(self, port: int = 0) -> Link:
        if self.trouble:
            raise CannotStartError(self.trouble)
        return Link(f"http://127.0.0.1:{port or 27_880}/#token=t", port, 0)

    def close(self) -> Deferred[None]:
        self.closed += 1
        return succeed(None)

    def waits(self, token: str) -> bool:
        return token == "t"


class PageCommandTests(CommandCase):
    def test_a_link(self) -> None:
        self.assertEqual(self.reply("/web").lines, ["this node has no page"])
        page = self.node.page = FakePage()
        lines = self.reply("/web").lines
        self.assertEqual(lines[0], "the page of this node: http://127.0.0.1:27880/#token=t")
        self.assertIn("once, within two minutes", lines[1])
        self.assertUsage("/web nonsense")
        page.trouble = "the page cannot be served"
        self.assertEqual(self.reply("/web").lines, [page.trouble])

    def test_it_is_closed(self) -> None:
        page = self.node.page = FakePage()
        self.assertEqual(self.reply("/web OFF").lines, ["the page is closed"])
        self.assertEqual(page.closed, 1)
