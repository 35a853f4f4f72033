"""`p2pchat web`: open the page of a running node in the browser, or show the way to it.

Rules: the link holds a secret, and everyone on a machine sees the words of a command. So the
browser is given a file that only the person can read, which leads on; it goes when it was used.
Without a screen, and over ssh, the link alone is written, for the person to open elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Final

from p2pchat.control.client.finding import Node
from p2pchat.control.paths import ControlError
from p2pchat.speech import Sentence, _

_PATIENCE: Final = 60.0
"""Seconds that a browser may take to use the link."""
_LOOK: Final = 0.2


def web(node: Node, options: argparse.Namespace) -> list[str]:
    """Do it; returns what to show. Raises `ControlError` if the browser does not come."""
    if options.off:
        node.ask("web", off=True)
        return []
    answer = node.ask("web", port=options.port)
    url = str(answer["url"])
    if options.print or options.no_browser or not has_screen(os.environ, sys.platform):
        return [url]
    with way_to(url) as file:
        if not _opened(file):
            return [url]
        if _is_used(node, url.rpartition("=")[2]):
            return [_("the page is open, on port {port}").format(port=answer["port"])]
    raise ControlError(
        Sentence("no browser has opened the page: p2pchat web --print shows a link to it")
    )


def has_screen(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a browser that is started here is seen by the person."""
    if "SSH_CONNECTION" in environ:
        return False
    return platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


@contextmanager
def way_to(url: str) -> Iterator[str]:
    """A file that leads a browser on to an address; it is gone afterwards.

    It is in the person's home: browsers in a sandbox read neither hidden nor temporary folders.
    """
    try:
        descriptor, path = tempfile.mkstemp(".html", "p2pchat-open-", Path.home())
        with open(descriptor, "w", encoding="utf-8") as file:
            there = escape(url, quote=True)
            file.write(
                '<!doctype html><meta charset="utf-8"><title>p2pchat</title>'
                f'<meta http-equiv="refresh" content="0;url={there}">\n'
            )
    except (OSError, RuntimeError) as why:
        raise ControlError(
            Sentence("a file for the browser cannot be made: {why}", why=why)
        ) from None
    try:
        yield path
    finally:
        with suppress(OSError):
            os.unlink(path)


def _opened(path: str) -> bool:
    import webbrowser

    return webbrowser.open(Path(path).as_uri())


def _is_used(node: Node, token: str) -> bool:
    """Whether the browser has come, within a minute."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if not node.ask("web", token=token)["waits"]:
            return True
        time.sleep(_LOOK)
    return False
