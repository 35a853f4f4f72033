"""A node's page in a real browser: the node lives in a fake town, its page on a real port.

    class Tests(PageCase):
        async def test_it(self) -> None:
            page = await self.enter()            # ana's page, at a link that was asked for
            self.bob.send(ANA, "olá")
            await page.shows("#log .text", "olá")

Rules: the town's time passes with the reactor's, so that nobody has to find anybody, and the whole
of it costs less than one program's start. Browser and page know nothing of that.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import LoopingCall
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.screen import Screen
from p2pchat.control.answers import Requests
from p2pchat.node.node import ChatNode
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.nodes import FakeTown
from p2pchat.web.service import WebService
from p2pchat.wire.stamps import Timestamps
from tests.support.browsers import why_not
from tests.support.tabs import Tab, open_tab, without

reactor: Any = _reactor

ANA: Final = "ana@CIC"
BOB: Final = "bob@CIC"
CARLA: Final = "carla@CIC"
_STEP: Final = 0.01
"""Seconds between two looks at what is to happen in the town."""
_MOST: Final = 0.2
"""Seconds of the town's time that pass at most in one step, however late it is."""


class LiveTown(FakeTown):
    """A town whose time passes by itself from `live` until `stand_still`."""

    def __init__(self, seed: int = 0, **network: Any) -> None:
        super().__init__(seed, **network)
        self._living = LoopingCall(self._pass)

    def live(self) -> None:
        """Let time pass as it does for us."""
        self._last = reactor.seconds()
        self._living.start(_STEP)

    def stand_still(self) -> None:
        """Let no more time pass by itself."""
        if self._living.running:
            self._living.stop()

    def _pass(self) -> None:
        now = reactor.seconds()
        passed, self._last = now - self._last, now
        self.run(min(passed, _MOST))


@implementer(IPushProducer)
class _Keyboard:
    """What a console reads from; nobody types there but the test."""

    def pauseProducing(self) -> None:
        """See `IPushProducer`."""

    resumeProducing = stopProducing = pauseProducing


class Terminal:
    """The plain console of a node, in front of a person."""

    def __init__(self, node: ChatNode) -> None:
        self._paper = StringTransport()
        screen = Screen(reactor)
        screen.connect(self._paper)
        self._console = PlainConsole(
            node, reactor, screen, on_leave=lambda _: None, script=False, watched=True
        )
        self._console.start(_Keyboard())

    @property
    def lines(self) -> list[str]:
        """All that it has shown."""
        text: str = self._paper.value().decode()
        return text.splitlines()

    def type(self, line: str) -> None:
        """Type a line."""
        self._console.typed([line])

    def close(self) -> None:
        """Leave it; the node runs on."""
        self._console.stop()


class PageCase(TestCase):
    """ana, bob and carla in a town; ana has a page, and keeps what is said."""

    timeout = 120
    skip = why_not()
    expected: tuple[str, ...] = ()
    """Patterns of what the browser may complain of; anything else fails the test."""
    keeps = True
    base = ""
    """The address of ana's page."""

    def setUp(self) -> None:
        self.town = LiveTown(7)
        self.disk = FakeDisk(Random(7))
        self.tabs: list[Tab] = []
        self.ana, self.bob, self.carla = (self._node(name) for name in (ANA, BOB, CARLA))
        self.town.run_until_meshed()
        self.town.run(5)
        self.town.live()
        self.web = self.serve()

    def tearDown(self) -> Deferred[None]:  # type: ignore[override]
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        tabs = [tab for tab in self.tabs if not tab.closed]
        said = [without(await tab.said(), *self.expected) for tab in tabs]
        for tab in tabs[1:]:
            await tab.close()
        for tab in tabs[:1]:  # the last one that asks, and would be refused without its key
            await tab.forget_all(self.base)
            await tab.close()
        await self.web.stopService()
        self.town.stand_still()
        self.town.close()
        self.assertEqual("".join(said), "", "the browser complained")

    def _node(self, name: str) -> ChatNode:
        disk = self.disk if name == ANA and self.keeps else None
        return self.town.node(name, disk=disk, sealed=True)

    # ------------------------------------------------------------ ana's page

    def serve(self, port: int = 0) -> WebService:
        """Give ana a page."""
        requests = Requests(
            self.ana,
            self.town.host_of(self.ana),
            stop=lambda: None,
            timestamp=Timestamps(self.ana.wall),
        )
        web = WebService(reactor, self.ana, requests)
        web.startService()
        web.open(port)
        self.base = f"http://127.0.0.1:{web.port}/"
        return web

    def link(self) -> str:
        """A new link to the page."""
        return self.web.open().url

    async def tab(self, *, window: bool = False) -> Tab:
        """An empty tab."""
        tab = await open_tab(window=window)
        self.tabs.append(tab)
        return tab

    async def enter(self, tab: Tab | None = None, *, window: bool = False) -> Tab:
        """The page, entered by a link that was asked for."""
        tab = tab or await self.tab(window=window)
        await tab.go(self.link())
        await self.opened(tab)
        return tab

    async def again(self) -> Tab:
        """The page in a further tab, which has the key from the first one."""
        tab = await self.tabs[-1].another(self.base)
        self.tabs.append(tab)
        await self.opened(tab)
        return tab

    async def opened(self, tab: Tab) -> None:
        """Wait until the page has what it shows, and hears what comes."""
        await self.phase(tab, "open")

    async def phase(self, tab: Tab, phase: str) -> None:
        """Wait for this `data-phase`."""
        await tab.until(
            "return document.documentElement.dataset.phase === arguments[0]",
            phase,
            what=f"phase {phase}",
        )

    async def talk_with(self, tab: Tab, conversation: str) -> None:
        """Open a conversation of the list."""
        await tab.click(f'.conversation[data-id="{conversation}"]')
        await tab.visible(f'.conversation[data-id="{conversation}"][aria-current="true"]')

    async def say(self, tab: Tab, text: str) -> None:
        """Say something where one is."""
        await tab.type("#field", text + "\n")

    # ------------------------------------------------------------ the others

    def terminal(self) -> Terminal:
        """A plain console of ana's."""
        terminal = Terminal(self.ana)
        self.addCleanup(terminal.close)
        return terminal

    def texts(self, node: ChatNode) -> list[str]:
        """What this node received."""
        return self.town.seen(node).texts
