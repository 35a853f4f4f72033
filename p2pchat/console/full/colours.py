"""Styles of the console, and a steady colour for each peer.

Rules: a peer has the same colour in every session and in every console; the palette is readable on
light and on dark backgrounds. Nothing is told by colour alone, so that without colours (NO_COLOR,
a terminal of two) only the colour is missing: what matters is also bold, reversed, or a sign.
"""

from __future__ import annotations

import os
import zlib
from typing import Final

from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.styles import Style

PALETTE: Final = (
    "#0087d7",
    "#00875f",
    "#d75f00",
    "#af5fd7",
    "#5f8700",
    "#d7005f",
    "#008787",
    "#af8700",
    "#875fff",
    "#d75f5f",
    "#00af5f",
    "#af5f87",
)

STYLE: Final = Style.from_dict(
    {
        **{f"peer{number}": colour for number, colour in enumerate(PALETTE)},
        "own": "bold",
        "named": "bold",
        "time": "#808080",
        "event": "#808080",
        "answer": "",
        "warning": "#d75f00 bold",
        "alert": "#d70000 bold reverse",
        "verified": "#00875f bold",
        "in-the-clear": "#d75f00 bold",
        "waiting": "#808080",
        "delivered": "#00875f",
        "failed": "#d70000 bold",
        "day": "#808080",
        "unread-rule": "#d75f00",
        "bar": "reverse",
        "bar-alarm": "reverse bold #d70000",
        "bar-unread": "reverse bold",
        "urgent": "#d70000 bold",
        "unread": "bold",
        "chosen": "reverse",
        "prompt": "bold",
        "question": "bold reverse",
    }
)


def colour_of(peer_id: str) -> str:
    """The style in which this peer's name is shown."""
    return f"class:peer{zlib.crc32(peer_id.encode('utf-8', 'replace')) % len(PALETTE)}"


def colour_depth() -> ColorDepth | None:
    """What the person asked for; None leaves it to what TERM says of the terminal."""
    if os.environ.get("NO_COLOR"):
        return ColorDepth.DEPTH_1_BIT
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return ColorDepth.DEPTH_24_BIT
    return None
