"""Real programs and a real browser: from `p2pchat web` to a node that is killed and comes back."""

from __future__ import annotations

import os
import signal
import socket
import sys

from tests.processes.test_end_to_end import local_group
from tests.support.browsers import why_not
from tests.support.processes import ProcessCase, Program
from tests.support.tabs import Tab, open_tab, without

EXPECTED = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE", "ERR_EMPTY", "ERR_CONNECTION_RESET", "401")


class Programs(ProcessCase):
    timeout = 120
    skip = why_not()

    def web(self, *options: str, **environ: str) -> Program:
        """`p2pchat web` with these options."""
        words = (sys.executable, "-m", "p2pchat", "web", "--name", "ana", *options)
        return self.start("web", *words, stdin=False, environ=environ)

    async def link(self) -> str:
        """What `p2pchat web --print` writes."""
        # The usual port may be that of another program on this machine, also while ana is gone.
        with socket.create_server(("127.0.0.1", 0)) as place:
            port = place.getsockname()[1]
        program = self.web("--print", "--port", str(port))
        found = await program.expect(r"^http://127\.0\.0\.1:\d+/#token=\S+$")
        self.assertEqual(await program.ended, 0)
        return found[0]

    async def opened(self, page: Tab, port: str) -> None:
        """Have `p2pchat web` open the page, as it does where there is a screen."""
        home = str(self.folder.resolve())
        # A browser that leaves what it is given to a test. Between colons were several browsers.
        browser = f"sh -c 'cp \"${{0#*//}}\" {home}/way.html && echo was opened' %s"
        environ = {name: os.environ[name] for name in os.environ if name != "SSH_CONNECTION"}
        self.patch(os, "environ", environ)  # over ssh there is no screen
        program = self.web("--port", port, DISPLAY="none", BROWSER=browser, HOME=home)
        await program.expect("was opened")
        await page.go(f"file://{home}/way.html")
        await program.expect(rf"^the page is open, on port {port}$")
        self.assertEqual(await program.ended, 0)
        self.assertEqual([*self.folder.glob("p2pchat-open-*")], [])

    async def test_a_page_of_a_program_that_is_killed_and_comes_back(self) -> None:
        tab = await open_tab()
        try:
            await self._live(tab)
            said = without(await tab.said(), *EXPECTED)
        finally:
            await tab.close()
        self.assertEqual(said, "")

    async def _live(self, page: Tab) -> None:
        group = local_group(self)
        ana = self.chat("ana", *group)
        await self.port_of(ana)
        link = await self.link()
        await page.go(link)
        await page.visible("#list")
        bob = self.chat("bob", *group)
        await bob.expect("Outbound connected: .ana@lobby.|Inbound connected: .ana@lobby.")
        bob.say("/msg ana@lobby olá")
        await page.click('.conversation[data-id="bob@lobby"]')
        await page.shows("#log .text", "olá")
        await page.type("#field", "tudo bem?\n")
        await bob.expect(r"^ \[ana@lobby\] tudo bem\?$")
        await page.visible('#log .mark[data-state="delivered"]')
        ana.signal(signal.SIGKILL)
        await ana.ended
        await page.visible("#banner")
        await page.shows("#log .text", "tudo bem?")
        ana = self.chat("ana", *group)
        await self.port_of(ana)
        # The same port, so that the page finds the node again, whose key is another one.
        port = link.partition("#")[0].rstrip("/").rpartition(":")[2]
        await self.opened(page, port)
        await page.click('.conversation[data-id="bob@lobby"]')
        await page.shows("#log .line.own .text", "tudo bem?")
        self.assertEqual(await page.texts("#log .text"), ["olá", "tudo bem?"])
