"""What people and programs do at a node of a world, in their random words.

Rules: all that is random comes from the dice of the act. An act never asks what happened before.
"""

from __future__ import annotations

import random
from typing import Final

from tests.support.outcome_account import Window
from tests.support.outcome_node import Life, Shared

NOBODY: Final = "nobody@CIC"
"""A peer that never comes."""


def do(shared: Shared, life: Life, kind: str, to: str, origin: str, dice: random.Random) -> None:
    """Do something at a node; `to`: a peer, `origin`: the name of it in what is told."""
    name, account, tell = life.name, shared.account, shared.tell
    scope = dice.choice(("*", "#CIC"))
    if kind == "send":
        for _ in range(dice.choice((1, 1, 2, 3))):
            text = account.say(name, to, "send")
            tell(f"{name}: sends {text!r} to {to}")
            life.node.send(to, text)
    elif kind == "publish":
        text = account.say(name, scope, "send")
        tell(f"{name}: publishes {text!r} to {scope}")
        life.node.publish(scope, text)
    elif kind == "request":
        text = account.say(name, dice.choice((to, to, scope)), origin)
        target = account.by_text[text].to
        tell(f"{name}: {origin}: sends {text!r} to {target}")
        life.ask(origin, None, do="send", to=target, text=text)
    elif kind == "cancel":
        whom = dice.choice((None, to))
        tell(f"{name}: {origin}: cancels what waits for {whom or 'all'}")
        window = account.asks(name, whom, forgets=False)
        life.ask(origin, window, do="run", line=f"/outbox cancel {whom or 'all'}")
    elif kind == "forget":
        tell(f"{name}: {origin}: forgets {to}")
        window = account.asks(name, to, forgets=True)
        life.ask(origin, window, do="run", line=f"/forget {to}")
    elif kind == "script" and life.script is None:
        _script(shared, life, to, origin, dice)
    elif kind == "stop":
        life.stop()


def _script(shared: Shared, life: Life, to: str, origin: str, dice: random.Random) -> None:
    account = shared.account
    lines: list[str] = []
    windows: list[Window] = []
    for _ in range(dice.randint(1, 4)):
        what = dice.choices(("msg", "pub", "cancel", "forget"), (12, 3, 1, 1))[0]
        if what == "msg":
            lines.append(f"/msg {to} {account.say(life.name, to, origin)}")
        elif what == "pub":
            lines.append(f"/pub * {account.say(life.name, '*', origin)}")
        else:
            line = "/outbox cancel all" if what == "cancel" else f"/forget {to}"
            whom = None if what == "cancel" else to
            lines.append(line)
            windows.append(account.asks(life.name, whom, forgets=what == "forget"))
    quits = dice.random() < 0.3
    shared.tell(f"{life.name}: {origin}{' leaves in the end' * quits}: {'; '.join(lines)}")
    life.run_script(origin, lines, windows, quits)
