"""What programs ask about the page of a node: a link to it, or that it ends.

Request(do="web")              ->  {"url":"http://127.0.0.1:27880/#token=…","port":27880,"pages":0}
Request(do="web", token="…")   ->  {"waits":true}    nobody has used this link yet
Request(do="web", off=True)    ->  {}
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from p2pchat.control.requests import Fields, Request, RequestError
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, sentence_of


class PageRequests:
    """Answers them for one node."""

    def __init__(self, node: ChatNode) -> None:
        self._node = node

    def web(self, request: Request) -> Fields | Deferred[Fields]:
        """Open the page, or close it, or look whether a link has been used."""
        page = self._node.page
        if page is None:
            raise RequestError("refused", Sentence("this node has no page"))
        if request.off:
            return page.close().addCallback(lambda _: {})
        if request.token:
            return {"waits": page.waits(request.token)}
        if not self._node.running:
            raise RequestError("refused", Sentence("this node is leaving"))
        try:
            link = page.open(request.port)
        except CannotStartError as why:
            raise RequestError("refused", sentence_of(why)) from None
        return {"url": link.url, "port": link.port, "pages": link.pages}
