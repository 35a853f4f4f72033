"""A key that travels from REGISTER to DISCOVER: a hint that the peer takes TLS, and nothing more.

Rules: pure. Nobody has looked whether the peer has this key, so it is no reason to trust anybody,
nor to refuse anybody. What is no key is no hint.
"""

from __future__ import annotations

import re
from typing import Final

_KEY: Final = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""32 bytes in base64url without padding."""


def hint_in(value: object) -> str:
    """The hint that this is, the text of a key; empty for anything else."""
    return value if isinstance(value, str) and _KEY.fullmatch(value) else ""
