"""What reads the options of one command: argparse, in the person's language, and nothing raw.

parser = parser_of("p2pchat send", _("send a message"))
parser.parse_args(words)      leaves with a sentence and status 2 when it is not understood
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from p2pchat.speech import _, ngettext
from p2pchat.wire.text import printable


class _Parser(argparse.ArgumentParser):
    def print_help(self, file: Any = None) -> None:
        """Print it, or fail: what `argparse` cannot write it forgets in silence."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Complain and leave: a word that is not understood may be somebody else's."""
        super().error(printable(message))


def parser_of(prog: str, about: str, more: str = "") -> argparse.ArgumentParser:
    """The parser of a command, whose help begins with `about`, and `more` as it is.

    Choose the language before.
    """
    # argparse looks these up whenever it says something of its own.
    vars(argparse).update(_=_, ngettext=ngettext)
    return _Parser(
        prog=prog,
        description=f"{about[0].upper()}{about[1:]}.{more}",
        formatter_class=argparse.RawDescriptionHelpFormatter if more else argparse.HelpFormatter,
        allow_abbrev=False,
    )
