"""`p2pchat web`: when a browser is opened, and how it is led to the page."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client import web as module
from p2pchat.control.client.options import parser_of
from p2pchat.control.client.web import has_screen, way_to, web
from p2pchat.control.paths import ControlError
from tests.support.control_sockets import asked_of, scripted

URL = "http://127.0.0.1:27880/#token=abc-_9"
LINK = {"id": 1, "ok": True, "url": URL, "port": 27_880, "pages": 0}


class WebTests(SynchronousTestCase):
    def setUp(self) -> None:
        home = self.mktemp()
        os.mkdir(home)
        self.home = Path(home).resolve()
        self.patch(Path, "home", lambda: self.home)
        self.patch(module, "_LOOK", 0.0)
        self.patch(os, "environ", {"DISPLAY": ":0"})
        self.opened: list[str] = []

    def run_web(self, *words: str, said: tuple[Any, ...] = (LINK,), opens: bool = True) -> Any:
        def open_it(address: str) -> bool:
            self.opened.append(address)
            return opens

        self.patch(webbrowser, "open", open_it)
        node, theirs = scripted(*said)
        self.addCleanup(theirs.close)
        with node:
            lines = web(node, parser_of("web").parse_args(words))
        return lines, asked_of(theirs)

    def test_only_the_link(self) -> None:
        for words in (("--print",), ("--no-browser",)):
            lines, asked = self.run_web(*words)
            self.assertEqual(lines, [URL])
            self.assertEqual(asked, [{"id": 1, "do": "web", "port": 0}])
        self.assertEqual(self.run_web("--print", "--port", "5")[1][0]["port"], 5)
        self.patch(os, "environ", {})
        self.assertEqual(self.run_web()[0], [URL])
        self.assertEqual(self.opened, [])

    def test_a_browser_is_led_there(self) -> None:
        """No word of any command holds the secret, and nobody else can read the file."""
        used = {"id": 2, "ok": True, "waits": True}, {"id": 3, "ok": True, "waits": False}
        lines, asked = self.run_web(said=(LINK, *used))
        self.assertEqual(lines, ["the page is open, on port 27880"])
        (address,) = self.opened
        self.assertTrue(address.startswith(f"file://{self.home}/p2pchat-open-"))
        self.assertNotIn("abc-_9", address)
        self.assertEqual([each["token"] for each in asked[1:]], ["abc-_9", "abc-_9"])
        self.assertEqual([*self.home.iterdir()], [])

    def test_no_browser_comes(self) -> None:
        self.patch(module, "_PATIENCE", 0.0)
        with self.assertRaisesRegex(ControlError, "p2pchat web --print"):
            self.run_web()
        self.assertEqual([*self.home.iterdir()], [])
        self.assertEqual(self.run_web(opens=False)[0], [URL])

    def test_the_file(self) -> None:
        with way_to('http://127.0.0.1:1/#token="><script>') as path:
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            text = Path(path).read_text(encoding="utf-8")
            self.assertIn("url=http://127.0.0.1:1/#token=&quot;&gt;&lt;script&gt;", text)
        self.assertFalse(os.path.exists(path))
        self.home = self.home / "missing"
        with self.assertRaisesRegex(ControlError, "cannot be made"), way_to(URL):
            pass

    def test_off(self) -> None:
        lines, asked = self.run_web("--off", said=({"id": 1, "ok": True},))
        self.assertEqual((lines, asked), ([], [{"id": 1, "do": "web", "off": True}]))

    def test_where_a_screen_is(self) -> None:
        for environ, platform, seen in (
            ({}, "linux", False),
            ({"DISPLAY": ""}, "linux", False),
            ({"DISPLAY": ":0"}, "linux", True),
            ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
            ({"DISPLAY": ":10", "SSH_CONNECTION": "1 2 3 4"}, "linux", False),
            ({}, "darwin", True),
            ({"SSH_CONNECTION": "1 2 3 4"}, "darwin", False),
        ):
            self.assertEqual(has_screen(environ, platform), seen, environ)
