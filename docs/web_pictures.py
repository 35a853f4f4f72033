"""Makes docs/web-desktop.png and docs/web-phone.png: the page in a browser, wide and narrow.

    .venv/bin/python docs/web_pictures.py     # extra `test`, Debian's chromium and chromium-driver

    ... docs/web_pictures.py --all FOLDER     # further ones, to look at: dark, Portuguese, search

ana has a page. bob and carol are two more nodes. All three are real programs, in a folder of their
own, on a port of their own, as for docs/picture.py. What they say stands in `story`.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from picture import PATIENCE, Peer

from tests.support.browsers import Browser, By

FOLDER: Final = Path(__file__).parent
COLOURS: Final = 64
"""Of a picture, so that it is small."""
DESKTOP: Final = (1200, 660, 1.0)
PHONE: Final = (360, 600, 1.5)


class Window:
    """The browser, with one page."""

    def __init__(self) -> None:
        self._browser = Browser()
        self.driver: Any = self._browser.driver

    def is_like(
        self, size: tuple[int, int, float], scheme: str = "light", language: str = "en"
    ) -> None:
        """Have this size, the colours of day or night, and a person who reads this language."""
        width, height, scale = size
        screen = {"width": width, "height": height, "deviceScaleFactor": scale}
        self._cdp("Emulation.setDeviceMetricsOverride", mobile=width < 640, **screen)
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        self._cdp("Emulation.setEmulatedMedia", features=wanted)
        agent = self.driver.execute_script("return navigator.userAgent")
        self._cdp("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def _cdp(self, command: str, **values: object) -> None:
        self.driver.execute_cdp_cmd(command, values)

    def wait(self, css: str, text: str = "") -> None:
        """Until such an element has this text."""
        script = (
            "const found = [...document.querySelectorAll(arguments[0])];"
            "return found.some(each => each.innerText.includes(arguments[1]))"
        )
        deadline = time.monotonic() + PATIENCE
        while not self.driver.execute_script(script, css, text):
            if time.monotonic() > deadline:
                body = self.driver.execute_script("return document.body.innerText")
                raise SystemExit(f"never saw {text!r} in {css}:\n{body}")
            time.sleep(0.05)

    def click(self, css: str) -> None:
        """Click on it."""
        self.driver.find_element(By.CSS_SELECTOR, css).click()

    def type(self, css: str, text: str) -> None:
        """Type into it."""
        self.driver.find_element(By.CSS_SELECTOR, css).send_keys(text)

    def say(self, text: str) -> None:
        """Say it in the open conversation, and wait for what becomes of it."""
        self.type("#field", text + "\n")
        self.wait("#log .line.own .text", text[:20])

    def shoot(self, name: Path) -> None:
        """Write what is seen."""
        time.sleep(1)  # what moves comes to rest
        self.driver.save_screenshot(str(name))

    def end(self) -> None:
        """Close it."""
        self._browser.end()


def story(ana: Window, bob: Peer, carol: Peer) -> None:
    """What the three say, until the page is as the picture shall be."""
    ana.wait('.conversation[data-id="#lobby"], #conversations', "")
    carol.type("/pub #lobby good morning! The report is printed.")
    bob.type("/msg ana@lobby olá, tudo bem?")
    ana.wait('.conversation[data-id="bob@lobby"]', "tudo bem")
    ana.click('.conversation[data-id="bob@lobby"]')
    ana.say("tudo, e tu? I read it on the train")
    bob.type("/msg ana@lobby and what do you think?")
    ana.wait("#log .text", "think")
    ana.say(
        "Page three is the best one. The figures on page five need a source: https://example.org/figures"
    )
    bob.type("/msg ana@lobby true. I will ask carol, she made them")
    ana.wait("#log .text", "made them")
    bob.type("/msg ana@lobby lunch at one?")
    ana.wait("#log .text", "lunch")
    ana.say("yes!")
    ana.wait('#log .mark[data-state="delivered"]')
    ana.click(".dismiss")
    carol.type("/msg ana@lobby have you seen it, ana?")
    ana.wait('.conversation[data-id="carol@lobby"] .unread', "1")


def shrink(name: Path) -> None:
    """Have fewer colours in a picture, if there is a program for it."""
    words = ["pngquant", "--force", "--output", str(name), str(COLOURS), str(name)]
    try:
        subprocess.run(words, check=True)
    except FileNotFoundError:
        print("pngquant is not installed: the pictures are larger than need be")


def environ(folder: str) -> dict[str, str]:
    """What the three programs find."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": folder,
        "XDG_RUNTIME_DIR": folder,
        "PYTHONPATH": str(FOLDER.parent),
    }


def again(ana: Window) -> None:
    """Load the page anew, as it is for this screen, and go to bob."""
    ana.driver.refresh()
    ana.wait('.conversation[data-id="bob@lobby"]')
    ana.click('.conversation[data-id="bob@lobby"]')
    ana.wait("#log .text", "lunch")


def take(ana: Window, further: Path | None) -> None:
    """All pictures."""
    ana.is_like(DESKTOP)
    ana.wait("#part-trips", "carol@lobby")
    ana.shoot(FOLDER / "web-desktop.png")
    if further is not None:
        ana.is_like(DESKTOP, "dark", "pt-BR")
        again(ana)
        ana.shoot(further / "dark-pt.png")
    ana.is_like(PHONE, "dark")
    again(ana)
    ana.shoot(FOLDER / "web-phone.png")
    if further is not None:
        ana.click("#open-side")
        ana.shoot(further / "phone-side.png")
        ana.click("#close-side")
        ana.click("#back")
        ana.shoot(further / "phone-list.png")
        ana.is_like((800, 600, 1.0))
        ana.shoot(further / "tablet.png")


def main() -> None:
    """Run the three and the browser, and take the pictures."""
    further = Path(sys.argv[2]).resolve() if sys.argv[1:2] == ["--all"] else None
    with tempfile.TemporaryDirectory(prefix="p2p-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        usual = [sys.executable, "-m", "p2pchat", "--local-port", port, "--port", "0"]
        usual += ["--ping-interval", "1"]  # so that there is a round trip with each
        values = environ(folder)
        peers: list[Peer] = []
        for name in ("ana", "bob", "carol"):
            peers.append(Peer([*usual, "--name", name], values))
            peers[-1].wait("/help|listening|rendezvous")
        ana, bob, carol = peers
        ana.wait("bob@lobby.*connected")
        ana.wait("carol@lobby.*connected")
        words = [sys.executable, "-m", "p2pchat", "web", "--name", "ana", "--print"]
        said = subprocess.run(words, env=values, capture_output=True, text=True, check=True).stdout
        link = re.search(r"http://\S+", said)
        assert link is not None, said
        window = Window()
        try:
            window.is_like(DESKTOP)
            window.driver.get(link[0])
            story(window, bob, carol)
            take(window, further)
        finally:
            window.end()
            for peer in peers:
                peer.leave()
    for name in ("web-desktop.png", "web-phone.png"):
        shrink(FOLDER / name)
        print(f"{name}: {(FOLDER / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
