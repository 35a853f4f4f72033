"""What a world says of itself, short enough to be read: many of its texts have 10 KB.

shortened("alice 3 and so on and on", 20)   ->  "alice 3 an ... nd on"
"""

from __future__ import annotations

import re
from typing import Final

LINE: Final = 600
"""Characters of a line of a story."""
WHAT: Final = 120
"""Characters of what was wrong with which message or node."""
TEXT: Final = 80
"""Characters of one text among several."""
_LEFT_OUT: Final = " ... "
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def shortened(text: str, most: int) -> str:
    """A text as printable ASCII, at most so many characters: its beginning, and some of its end."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", plain)
    if len(plain) <= most:
        return plain
    end = most // 4
    return plain[: most - end - len(_LEFT_OUT)] + _LEFT_OUT + plain[-end:]
