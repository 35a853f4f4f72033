"""Settings that change while a node runs: what SIGHUP and `p2pchat reload` do.

Rules: what can change does so at once and without a link noticing; what cannot is named, and stays
as it was. Limits of single links (their queue, their rate) are those that the link began with. A
file that cannot be used changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from p2pchat.logs.levels import set_level
from p2pchat.logs.texts import show_texts
from p2pchat.node.node import ChatNode
from p2pchat.service.hooks import MessageHook
from p2pchat.settings.reading import changed
from p2pchat.settings.table import SETTINGS, Setting
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence


def changes(old: Struct, new: Struct) -> dict[str, tuple[Any, Any]]:
    """What differs, as key -> (old value, new value)."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return {
        f"{section}.{field}": (before[section][field], value)
        for section, fields in after.items()
        for field, value in fields.items()
        if before[section][field] != value
    }


def apply(node: ChatNode, new: Settings, hook: MessageHook | None) -> list[Sentence]:
    """Have a node go by these settings, as far as it can; returns a sentence for each change."""
    live, said = live_changes(node.settings, new, SETTINGS)
    node.configure(changed(node.settings, live))
    if "logging.level" in live:
        set_level(new.logging.level)
    if "logging.texts" in live:
        show_texts(new.logging.texts)
    if hook is not None:
        hook.configure(new.hooks)
    return said


def live_changes(
    old: Struct, new: Struct, settings: Sequence[Setting]
) -> tuple[dict[str, Any], list[Sentence]]:
    """What of the difference can change while the program runs, and a sentence for all of it.

    In all that needs a restart the old ones hold, and a later reload still tells the difference.
    """
    need_restart = {setting.key for setting in settings if setting.restart}
    live: dict[str, Any] = {}
    said: list[Sentence] = []
    for key, (before, value) in sorted(changes(old, new).items()):
        if key in need_restart:
            sentence = Sentence(
                "{key} needs a restart to become {value}", key=key, value=_shown(value)
            )
        else:
            sentence = Sentence(
                "{key} is {value} now, it was {before}",
                key=key,
                value=_shown(value),
                before=_shown(before),
            )
            live[key] = value
        said.append(sentence)
    return live, said or [Sentence("nothing has changed")]


def _shown(value: object) -> Sentence | str:
    return Sentence("unset") if value is None else str(value)
