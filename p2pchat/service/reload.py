"""Settings that change while a node runs: what SIGHUP and `p2pchat reload` do.

Rules: what can change does so at once and without a link noticing; what cannot is named, and stays
as it was. Limits of single links (their queue, their rate) are those that the link began with. A
file that cannot be used changes nothing at all.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from p2pchat.logs.levels import set_level
from p2pchat.node.node import ChatNode
from p2pchat.service.hooks import MessageHook
from p2pchat.settings.values import Settings

NEED_RESTART: Final = frozenset(
    (
        "control.path",
        "history.file",
        "limits.remembered_ids",
        "logging.file",
        "logging.files",
        "logging.format",
        "logging.max_bytes",
        "metrics.address",
        "peer.interface",
        "peer.listen",
        "peer.name",
        "peer.namespace",
        "peer.port",
        "rendezvous.host",
        "rendezvous.local_port",
        "rendezvous.port",
        "rendezvous.serve",
    )
)
"""The settings that a running node cannot change."""


def changes(old: Settings, new: Settings) -> dict[str, tuple[Any, Any]]:
    """What differs, as key -> (old value, new value)."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return {
        f"{section}.{field}": (before[section][field], value)
        for section, fields in after.items()
        for field, value in fields.items()
        if before[section][field] != value
    }


def apply(node: ChatNode, new: Settings, hook: MessageHook | None) -> list[str]:
    """Have a node go by these settings, as far as it can; returns a sentence for each change."""
    said = []
    found = changes(node.settings, new)
    for key, (old, value) in sorted(found.items()):
        if key in NEED_RESTART or key.partition(".")[0] not in _LIVE_SECTIONS:
            said.append(f"{key} needs a restart to become {_shown(value)}")
        else:
            said.append(f"{key} is {_shown(value)} now, it was {_shown(old)}")
    # In all that needs a restart the old ones hold, and a later reload still tells the difference.
    node.configure(_merged(node.settings, new))
    if "logging.level" in found:
        set_level(new.logging.level)
    if hook is not None:
        hook.configure(new.hooks)
    return said or ["nothing has changed"]


_LIVE_SECTIONS: Final = ("connection", "history", "hooks", "limits", "logging", "rendezvous")


def _merged(old: Settings, new: Settings) -> Settings:
    """The new settings, except for what needs a restart."""
    sections = {}
    for section in old.__struct_fields__:
        before, after = getattr(old, section), getattr(new, section)
        live = {
            field: getattr(after, field)
            for field in after.__struct_fields__
            if section in _LIVE_SECTIONS and f"{section}.{field}" not in NEED_RESTART
        }
        sections[section] = msgspec.structs.replace(before, **live)
    return msgspec.structs.replace(old, **sections)


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)
