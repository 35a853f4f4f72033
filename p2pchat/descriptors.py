"""How many files, and so how many connections, this process may have open."""

from __future__ import annotations

import resource


def descriptor_limit() -> int | None:
    """How many files this process may have open, raised to what is allowed; None for no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass
    return None if soft == resource.RLIM_INFINITY else soft
