"""What each path of the page's server is: files, the way in, answers, the stream of events.

Rules: files are public and hold no data. Everything else needs the key, but for `session`, where a
token becomes one: a wrong token is answered late, and few wait for that at once.
"""

from __future__ import annotations

import re
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from p2pchat.control.events import encode_json
from p2pchat.control.requests import RequestError
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, sentence_of
from p2pchat.web.answers import Answers
from p2pchat.web.asked import PageRequest, body, query
from p2pchat.web.entering import Entry
from p2pchat.web.files import StaticFiles
from p2pchat.web.gate import API, Refusal
from p2pchat.web.server import BrowserRequest
from p2pchat.web.stream import Stream
from p2pchat.web.streams import Streams

WAIT: Final = 1.0
"""Seconds until a wrong token is answered."""
MOST_WAITS: Final = 20
_PAGE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_STATUS: Final = {
    "bad_request": 400,
    "unknown_key": 404,
    "not_found": 404,
    "wrong_method": 405,
    "too_long": 413,
    "failed": 500,
    "busy": 503,
}
"""What is not here is 409: it cannot be done as things are."""
WRONG_TOKEN: Final = Refusal(
    403, "wrong_token", Sentence("this link was used, or is old: p2pchat web gives a new one")
)
TOO_MANY: Final = Refusal(503, "busy", Sentence("too many links were wrong: wait a second"))
NOT_FOUND: Final = Refusal(404, "not_found", Sentence("there is nothing here"))


class Pages:
    """Of one node; `extra_hosts`: names for this machine beside those of loopback."""

    def __init__(
        self,
        node: ChatNode,
        clock: IReactorTime,
        entry: Entry,
        answers: Answers,
        streams: Streams,
        files: StaticFiles,
    ) -> None:
        self._node = node
        self._clock = clock
        self._entry = entry
        self._answers = answers
        self._streams = streams
        self._files = files
        self._late: set[IDelayedCall] = set()

    def has_key(self, given: str) -> bool:
        """Whether this is the key of the pages."""
        return self._entry.has_key(given)

    def hosts(self) -> tuple[str, ...]:
        """Names for this machine beside those of loopback."""
        return self._node.settings.web.hosts

    def answer(self, request: BrowserRequest) -> None:
        """Answer a request that may pass."""
        path = request.asked.path
        if not path.startswith(API):
            self._file(request, path)
            return
        method = "POST" if request.asked.method == "POST" else "GET"
        try:
            self._api(request, method, path.removeprefix(API))
        except RequestError as why:
            self._refuse(request, why)

    # ------------------------------------------------------------ the kinds

    def _file(self, request: BrowserRequest, path: str) -> None:
        found = self._files.get(path)
        if found is None or request.asked.method == "POST":
            request.refuse(NOT_FOUND)
            return
        tag = found.tag.encode()
        headers = {
            b"Content-Type": found.type.encode(),
            b"ETag": tag,
            b"Cache-Control": b"no-cache",
        }
        if tag in (request.getHeader(b"if-none-match") or b""):
            request.say(304, b"", headers)
        else:
            request.say(200, found.data, headers)

    def _api(self, request: BrowserRequest, method: str, name: str) -> None:
        if method == "POST":
            asked = body(request.body.getvalue())
        else:
            asked = query(request.asked.target.partition("?")[2].encode("latin-1"))
        if (method, name) == ("POST", "session"):
            self._enter(request, asked)
        elif (method, name) == ("POST", "leave"):
            request.say(200, encode_json({}))
            self.leave()
        elif (method, name) == ("GET", "events"):
            self._stream(request, asked)
        else:
            answer = self._answers.answer(method, name, asked)
            answer.addCallback(lambda fields: request.say(200, encode_json(fields)))
            answer.addErrback(self._failed, request)

    def leave(self, why: str = "closed") -> None:
        """All pages are out, and are told `why`: there is another key."""
        self._entry.renew()
        self._streams.end_all(why)

    def close(self, why: str) -> None:
        """The same, and who guesses a token is answered no more."""
        self.leave(why)
        for later in self._late:
            later.cancel()
        self._late.clear()

    def _enter(self, request: BrowserRequest, asked: PageRequest) -> None:
        key = self._entry.key_for(asked.token, self._clock.seconds())
        if key is not None:
            request.say(200, encode_json({"key": key}))
        elif len(self._late) >= MOST_WAITS:
            request.refuse(TOO_MANY)
        else:

            def wrong() -> None:
                self._late.remove(later)
                request.refuse(WRONG_TOKEN)

            later = self._clock.callLater(WAIT, wrong)
            self._late.add(later)

    def _stream(self, request: BrowserRequest, asked: PageRequest) -> None:
        if not _PAGE.fullmatch(asked.page):
            raise RequestError("bad_request", Sentence("page: 1 to 64 letters, digits, _ or -"))
        since = "now" if asked.since is None else asked.since
        request.stays({b"Content-Type": b"text/event-stream"})
        stream = Stream(request, self._clock, lambda: self._streams.closed(stream))
        request.notifyFinish().addBoth(lambda _: stream.lost())
        self._streams.open(asked.page, stream, since, asked.run, asked.watching or None)

    # ------------------------------------------------------------ what cannot be done

    def _failed(self, failure: Failure, request: BrowserRequest) -> None:
        why = failure.value
        if isinstance(why, RequestError):
            self._refuse(request, why)
        else:
            request.fail(failure)

    def _refuse(self, request: BrowserRequest, why: RequestError) -> None:
        status = _STATUS.get(why.code, 409)
        request.refuse(Refusal(status, why.code, sentence_of(why)), **why.fields)
