"""Who comes in, and who does not: links, other ports, other names, the tenth tab, a new process."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol

from tests.support.browsers import STRANGE_HOST
from tests.support.web_pages import ANA, BOB, PageCase, reactor

_FIELD = "return document.querySelector('#field').value"
_READ = """
const done = arguments[arguments.length - 1];
fetch(arguments[0]).then(answer => answer.text()).then(
    text => done("read: " + text), fault => done("refused: " + fault));
"""


class Neighbour(Protocol):
    """A server of another user of this machine: its factory notes what a browser brings."""

    factory: Any
    transport: Any

    def connectionMade(self) -> None:
        # A browser connects beforehand, too, and waits.
        self.factory.case.addCleanup(self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        self.factory.brought += data.lower()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
            b"<title>neighbour</title><p>hello"
        )
        self.transport.loseConnection()


class Entering(PageCase):
    async def test_a_link_opens_once_and_leaves_no_trace(self) -> None:
        link = self.link()
        page = await self.tab()
        await page.go(link)
        await self.opened(page)
        self.assertEqual(await page.run("return location.href"), self.base)
        self.assertEqual(await page.run("return document.cookie"), "")
        await page.go("about:blank")
        await page.back()
        await self.opened(page)

    async def test_a_page_without_a_key_asks_for_a_code(self) -> None:
        page = await self.tab()
        await page.go(self.base)
        await page.visible("#entrance #code")
        await page.shows(".command", "p2pchat web")
        await page.gone("#list")
        await page.type("#code", self.link().partition("#token=")[2] + "\n")
        await self.opened(page)

    async def test_a_link_that_was_used_does_not_open(self) -> None:
        self.expected = ("403",)
        link = self.link()
        page = await self.tab()
        await page.go(link)
        await self.opened(page)
        await page.run("localStorage.clear()")
        await page.go("about:blank")
        await page.go(link)
        await page.visible("#entrance-error")

    async def test_another_port_of_this_machine_gets_nothing(self) -> None:
        self.expected = ("CORS", "Failed to load", "ERR_FAILED")
        neighbour: Any = Factory.forProtocol(Neighbour)
        neighbour.noisy, neighbour.brought, neighbour.case = False, b"", self
        port = reactor.listenTCP(0, neighbour, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        page = await self.enter()
        await page.go(f"http://127.0.0.1:{port.getHost().port}/")
        self.assertEqual(await page.run("return document.title"), "neighbour")
        self.assertIn(b"user-agent:", neighbour.brought)
        self.assertNotIn(b"cookie:", neighbour.brought)
        self.assertNotIn(b"authorization:", neighbour.brought)
        self.assertEqual(await page.run("return localStorage.length + document.cookie"), "0")
        for path in ("api/v1/state", ""):
            said = await page.asynchronously(_READ, self.base + path)
            self.assertTrue(said.startswith("refused"), said)
        await page.go("about:blank")

    async def test_a_name_that_was_bound_anew_gets_nothing(self) -> None:
        self.expected = ("421", "Cross-Origin-Opener-Policy header has been ignored")
        await self.enter()
        page = await self.tab()
        await page.go(self.base.replace("127.0.0.1", STRANGE_HOST))
        self.assertIn("wrong_host", await page.run("return document.body.innerText"))
        self.assertEqual(await page.run("return localStorage.length"), 0)
        said = await page.asynchronously(_READ, "/api/v1/state")
        self.assertIn("wrong_host", said)

    async def test_ten_tabs_and_the_oldest_are_told(self) -> None:
        first = await self.enter()
        tabs = [first, *[await self.again() for _ in range(9)]]
        for tab in tabs[:6]:
            await self.phase(tab, "elsewhere")
        self.bob.send(ANA, "who hears me?")
        for tab in tabs[6:]:
            await tab.shows(f'.conversation[data-id="{BOB}"]', "who hears me?")
        await first.shows("#banner", "another tab")
        await first.click("#use-here")
        await self.opened(first)
        await first.shows(f'.conversation[data-id="{BOB}"]', "who hears me?")

    async def test_leaving_closes_all_pages(self) -> None:
        self.expected = ("401",)
        one, other = await self.enter(window=True), await self.enter(window=True)
        await one.click("#menu-button")
        await one.click("#leave")
        for page in (one, other):
            await page.visible("#code")


class Restarting(PageCase):
    expected = ("ERR_CONNECTION_REFUSED", "401", "ERR_INCOMPLETE", "ERR_EMPTY")

    async def test_a_new_process_means_a_new_link_and_what_is_shown_stays(self) -> None:
        self.bob.send(ANA, "before")
        page = await self.enter()
        await self.talk_with(page, BOB)
        await page.shows("#log .text", "before")
        await page.type("#field", "a draft")
        await page.until(_FIELD + " === 'a draft'")
        port = self.web.port
        await self.web.stopService()
        self.town.leave(self.ana)
        await page.visible("#banner")
        await page.shows("#log .text", "before")
        self.ana = self._node(ANA)
        self.town.run_until_meshed()
        self.web = self.serve(port)
        await page.click("#try-now")
        await page.shows(".command", "p2pchat web")
        await page.shows("#log .text", "before")
        self.bob.send(ANA, "after")
        await page.go("about:blank")
        await self.enter(page)
        await self.talk_with(page, BOB)
        await page.shows("#log .text", "after")
        await page.until(_FIELD + " === 'a draft'")
