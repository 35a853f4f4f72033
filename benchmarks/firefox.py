"""The page in Firefox: each of the last four tabs hears a message, and the others are told.

    python -m benchmarks.firefox          needs firefox-esr and the extra web-test

Firefox lets a second stream of one address wait for the end of the first one, silently, unless it
is asked not to look into its cache. Chromium does not, so the tests would never notice. Firefox
is driven over WebDriver BiDi, which it speaks itself: no driver is needed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any

from websocket import create_connection

from benchmarks.measuring import NAMESPACE, Peer, message
from benchmarks.page import LAST, SHOWN, link, node

TABS = 9
STREAMS = 4
PATIENCE = 30.0


class Firefox:
    """A headless Firefox with a profile of its own; use it in a `with` block."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="p2p-firefox-")
        words = [shutil.which("firefox-esr") or "firefox", "--headless", "--no-remote"]
        words += ["--remote-debugging-port", "0", "--profile", self._profile]
        self._process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        address = ""
        for line in self._process.stderr:
            if found := re.search(r"BiDi listening on (\S+)", line):
                address = found[1]
                break
        self._socket: Any = create_connection(f"{address}/session", suppress_origin=True)
        self._requests = 0
        self.ask("session.new", capabilities={})

    def __enter__(self) -> Firefox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command and wait for what comes of it."""
        self._requests += 1
        self._socket.send(json.dumps({"id": self._requests, "method": method, "params": params}))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv())
            if answer.get("id") == self._requests:
                if answer["type"] == "error":
                    raise SystemExit(f"{method}: {answer['message']}")
                return dict(answer["result"])

    def tab(self, url: str) -> str:
        """A new tab with this address; returns its name."""
        name: str = self.ask("browsingContext.create", type="tab")["context"]
        self.ask("browsingContext.navigate", context=name, url=url, wait="complete")
        return name

    def run(self, tab: str, expression: str) -> Any:
        """The value of this expression in a tab: a string, a number, a boolean."""
        found = self.ask(
            "script.evaluate", expression=expression, target={"context": tab}, awaitPromise=True
        )
        if found["type"] == "exception":
            raise SystemExit(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def until(self, tab: str, expression: str) -> None:
        """Wait until it is true there."""
        until = time.monotonic() + PATIENCE
        while not self.run(tab, expression):
            if time.monotonic() > until:
                raise SystemExit(f"never: {expression}")
            time.sleep(0.02)


def main() -> None:
    """Open the tabs, say something, and see who heard it."""
    phase = "document.documentElement.dataset.phase"
    with tempfile.TemporaryDirectory(prefix="p2pchat-page-") as folder:
        program, path = node(folder)
        try:
            with Firefox() as firefox:
                peer = Peer(program.port)
                peer.socket.sendall(message("first", ack=True))
                peer.read(1)
                first = firefox.tab(link(path))
                firefox.until(first, f"{phase} === 'open'")
                base = firefox.run(first, "location.origin")
                tabs = [first]
                for _ in range(TABS - 1):
                    tabs.append(firefox.tab(f"{base}/"))
                    firefox.until(tabs[-1], f"{phase} === 'open'")
                for tab in tabs[:-STREAMS]:
                    firefox.until(tab, f"{phase} === 'elsewhere'")
                for tab in tabs[-STREAMS:]:
                    conversation = f'.conversation[data-id="alice@{NAMESPACE}"]'
                    firefox.run(tab, f"document.querySelector('{conversation}').click()")
                peer.socket.sendall(message(LAST, ack=True))
                begun = time.monotonic()
                for tab in tabs[-STREAMS:]:
                    shown = SHOWN.removeprefix("return ").replace("arguments[0]", f"'{LAST}'")
                    firefox.until(tab, shown)
                    print(f"tab {tabs.index(tab) + 1}: heard, {time.monotonic() - begun:.2f} s")
                print(f"tabs 1 to {TABS - STREAMS}: told that the page is open elsewhere")
        finally:
            program.stop()


if __name__ == "__main__":
    main()
