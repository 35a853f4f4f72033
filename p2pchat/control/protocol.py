"""What both ends of the control socket must agree on; `docs/control.md` tells the whole protocol.

Rules: no Twisted. Names and meanings are stable: one may be added, none is renamed or taken away.
"""

from __future__ import annotations

from typing import Final

PROTOCOL: Final = 1
"""The version of the control protocol; a higher one would not be understood by older clients."""
MAX_REQUEST: Final = 262_144
"""Bytes of the longest request: the longest message, all of it written as escapes."""
MAX_TEXT: Final = 32_768
"""Bytes of the longest line between peers, of which a text is a part."""
USUAL_KINDS: Final = ("message", "peer", "delivered", "undelivered", "queued", "notice", "key")
"""The events that a client gets which names none: what there was when it may have been written."""
EVENT_KINDS: Final = (*USUAL_KINDS, "away", "sent", "read", "links", "round_trip", "forgotten")
"""Every kind of event that a client can subscribe to."""
