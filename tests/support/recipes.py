"""What the recipes of CONTRIBUTING.md are held with: what there is, and what no release had.

PYTHONPATH=. python -m tests.support.recipes    # for tests/vectors/released.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat import __version__
from p2pchat.console.commands.table import COMMANDS
from p2pchat.control.answers import REQUESTS
from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.rendezvous import requests
from p2pchat.settings.table import SETTINGS
from p2pchat.wire import messages
from p2pchat.wire.messages import Message
from tests.support.processes import ROOT

RELEASED: Final[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "vectors" / "released.json").read_text(encoding="utf-8")
)
"""What the latest release had. What it had not, CHANGELOG.md has to name."""
EXAMPLE: Final = json.loads((ROOT / "config.example.json").read_text(encoding="utf-8"))
USERS: Final = ("service", "web", "control", "console", "node", "history", "mesh", "logs")
"""The rooms that are given settings."""


def tag_of(kind: Any) -> str:
    """The `type` on the wire."""
    return str(kind.__struct_config__.tag)


KINDS: Final = {
    tag_of(kind): kind
    for kind in vars(messages).values()
    if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
    if tag_of(kind) != tag_of(kind.__mro__[1])
}
"""Every type of message -> its class; not what only marks one of them."""


def names_of_today() -> dict[str, list[str]]:
    """What there is, by kind."""
    return {
        "commands": [each.name for each in COMMANDS],
        "settings": [each.key for each in SETTINGS],
        "requests": [*REQUESTS],
        "events": [*EVENT_KINDS],
        "types": [*KINDS],
        "rendezvous": [*requests._CHECKS],
    }


def text_of(*names: str, errors: str = "strict") -> str:
    """Files, or all files with such names, as one text."""
    paths = [path for name in names for path in sorted(ROOT.glob(name))]
    assert paths, names
    return "\n".join(path.read_text(encoding="utf-8", errors=errors) for path in paths)


def unreleased() -> str:
    """The part of CHANGELOG.md on what no release has."""
    return text_of("CHANGELOG.md").partition(f"## {RELEASED['version']}\n")[0]


class RecipeCase(SynchronousTestCase):
    def assertDone(self, done: bool, step: str) -> None:
        """The step was taken, or is said."""
        if not done:
            self.fail(f"the next step (CONTRIBUTING.md, Recipes): {step}")

    def assertHas(self, text: str, pattern: str, step: str) -> None:
        """The text has the pattern, or the step is said."""
        self.assertDone(re.search(pattern, text, re.M) is not None, step)

    def assertChanges(self, kind: str, names: Iterable[tuple[str, str]]) -> None:
        """CHANGELOG.md names, as the second says, whatever of a kind is in no release."""
        text = unreleased()
        for name, written in names:
            if name not in RELEASED[kind]:
                pattern = rf"(?i)(?<![\w-]){re.escape(written)}\b"
                self.assertHas(text, pattern, f"name `{written}` in CHANGELOG.md")


if __name__ == "__main__":  # at a release: CONTRIBUTING.md, "A release"
    sys.stdout.write(json.dumps({"version": __version__, **names_of_today()}, indent=2) + "\n")
