"""Time that nobody can set, for a reactor and all that waits in it.

Twisted measures by the wall clock: set it back an hour, and every timer waits an hour; set it
forward, and all of them fire at once.
"""

from __future__ import annotations

import time
from typing import Any


def use_steady_clock(reactor: Any) -> None:
    """Have `reactor` measure time by a clock that only goes forward; call it before it runs."""
    reactor.seconds = time.monotonic
