"""What one session knows about encryption: what it says of it, and who may be at the other end.

    in the clear   HELLO tls 1, HELLO_OK tls 2: the dialer comes back in TLS, and says HELLO there
    in TLS         HELLO and HELLO_OK count for what they say, once `vouch` has nothing against them

Rules: a session of a node that does not encrypt has no guard, and says what it always said. In
the clear, `tls` is a question and its answer, and no more: nothing that was said before TLS counts
inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import UNSET, Struct

from p2pchat.wire.messages import Hello

ANOTHER_KEY: Final = "another key is known for "
"""How the reason of a BYE begins for who has a known name, and not its key."""
_Greeting = TypeVar("_Greeting", bound=Hello)


class Guard(Struct, frozen=True):
    """For one connection of a node that encrypts.

    `sealed` says whether everything on the connection is inside TLS. `vouch` is called with the
    peer_id that the other end claims and its HELLO or HELLO_OK, before the session opens and before
    it is answered. It returns the reason of a BYE, or nothing for one that may be there.
    """

    sealed: bool
    vouch: Callable[[str, Hello], str]
    fleeting: bool = False
    """Whether our key ends with this process."""

    def greeting(self, mine: _Greeting) -> _Greeting:
        """Our HELLO or HELLO_OK, saying that we encrypt."""
        mine.tls = mine.encrypts
        mine.fleeting = True if self.sealed and self.fleeting else UNSET
        return mine

    def is_asked(self, theirs: Hello) -> bool:
        """Whether a HELLO or HELLO_OK in the clear says that the other end encrypts, too."""
        # `True == 1`, but the typed call and the liberal reading take an integer alone.
        return not self.sealed and theirs.tls == theirs.encrypts
