"""What people do at a console in a world: a second one, a look at the past, somebody blocked.

    PEOPLE["ask"](scene, Dice(2861))

Rules: as for acts. What a question to a history brings is compared with what was said: it is never
another text or another sender, and never what was certainly forgotten before the question.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.python.failure import Failure

from p2pchat.history.records import HistoryError, Record
from p2pchat.node.news import NotSentError
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.kind import Dice
from p2pchat.testing.worlds.life import Life
from p2pchat.testing.worlds.narrow import longest_wait
from p2pchat.testing.worlds.scene import Scene
from p2pchat.testing.worlds.visitor import Habit

_WORDS: Final = ("alice", "bob", "2", '"alice 1"', "al*", "\U0001f600", "-x", "é")
_DAY: Final = 86_400.0
_BURST: Final = 8
_LONG_END: Final = " é" * 5000


def _life(scene: Scene, dice: Dice) -> Life | None:
    """A node that is up."""
    life = scene.lives[dice.choice(scene.names)]
    return life if life.up and not life.host.paused else None


def _watch(scene: Scene, dice: Dice) -> None:
    """Somebody comes to a second console, or leaves it; it attends, or is a program."""
    life, attends = _life(scene, dice), dice.random() < 0.5
    if life is not None:
        scene.tell(f"{life.name}: {'a person' if attends else 'a program'} comes, or goes")
        life.watch(attends=attends)


def _ask(scene: Scene, dice: Dice) -> None:
    """A question to the history."""
    life, kind = _life(scene, dice), dice.choice(("recent", "search", "of one"))
    words, whom = dice.choice(_WORDS), dice.choice((*scene.names, "*"))
    history = None if life is None else life.node.history
    if life is None or history is None:
        return
    name, account = life.name, scene.account
    gone = {text for who, text in account.forgotten_by if who == name}
    scene.tell(f"{name}: looks for { ({'search': words, 'of one': whom}.get(kind, 'all')) }")
    if kind == "search":
        asked = history.search(words, 100)
    else:
        asked = history.recent(whom if kind == "of one" else None, 1000)

    def answered(records: list[Record]) -> None:
        scene.counts["answers"] += 1
        for record in records:
            said = account.message_of(record.text)
            if said is None:
                if not account.lied_to:
                    scene.find(Violation("I2", "a history tells what none said", record.text[:60]))
            elif said.sender != record.sender:
                scene.find(Violation("I2", "a history tells it of another one", record.text[:60]))
            elif kind == "of one" and record.conversation != whom:
                scene.find(Violation("I2", "a history tells it of elsewhere", record.text[:60]))
            if account.worded(record.text) in gone:
                scene.find(Violation("L8", "forgotten, and told", f"{name}: {record.text[:60]}"))

    def failed(failure: Failure) -> None:
        if failure.check(HistoryError) is None:
            scene.find(Violation("I9", "a question failed", failure.getErrorMessage()))

    asked.addCallbacks(answered, failed)


def _block(scene: Scene, dice: Dice) -> None:
    """Somebody is blocked, or not any more."""
    life, whom = _life(scene, dice), dice.choice(scene.names)
    if life is None or whom == life.name:
        return
    blocked = whom in [*life.node.mesh.blocking.added]
    do = "unblock" if blocked else "block"
    scene.tell(f"{life.name}: /{do} {whom}")
    life.ask(f"{do} {scene.step_number}", None, do="run", line=f"/{do} {whom}")


def _long(scene: Scene, dice: Dice) -> None:
    """Nothing happens for minutes, or for hours and days while nobody is there."""
    away, of_all = all(life.gone for life in scene.lives.values()), dice.random()
    seconds = of_all * (_DAY if away else 60.0)
    # What waits must not grow too old, nor what may still be caught up with.
    if scene.waited + seconds < longest_wait(narrow=scene.kind.narrow):
        scene.waited += seconds
        scene.tell(f"{seconds:.0f} s pass")
        scene.pass_time(seconds)


def _visit(scene: Scene, dice: Dice) -> None:
    """A stranger dials."""
    whose, habits = dice.choice(scene.names), dice.sample([*Habit], 3)
    if not scene.host(whose).paused:
        scene.tell(f"a stranger dials {whose}: {'; '.join(each.value for each in habits)}")
        scene.visitor.visit(scene.ip(whose), whose, habits)


def _burst(scene: Scene, dice: Dice) -> None:
    """Somebody says in one moment more than a narrow queue takes."""
    life, direct, to = _life(scene, dice), dice.choice((0, 2, 6)), dice.choice(scene.names)
    if life is None or life.name not in scene.people:
        return
    scene.tell(f"{life.name}: publishes much, and sends {direct} long messages to {to}")
    for number in range(_BURST + direct):
        scope = to if number >= _BURST and to != life.name else "*"
        text = scene.account.say(life.name, scope, "send", _LONG_END)
        with suppress(NotSentError):
            if scope == "*":
                life.node.publish(scope, text)
            else:
                life.node.send(scope, text)


PEOPLE: Final[dict[str, Callable[[Scene, Dice], None]]] = {
    "watch": _watch,
    "ask": _ask,
    "block": _block,
    "long": _long,
    "visit": _visit,
    "burst": _burst,
}
"""Name -> what it does; `kind` says how often."""
