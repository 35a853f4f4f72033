"""What people and programs do in a world, one function for each, and all that happens in it.

    ACTS["send"](scene, Dice(2861))

Rules: all that is random comes from the dice of the act. An act never asks what happened before,
and does nothing where there is nobody to do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from p2pchat.node.news import NotSentError
from p2pchat.testing.worlds.account import Window
from p2pchat.testing.worlds.comeback import FINDING
from p2pchat.testing.worlds.damage import DAMAGE
from p2pchat.testing.worlds.faults import FAULTS
from p2pchat.testing.worlds.kind import PLAIN, Dice
from p2pchat.testing.worlds.life import Life
from p2pchat.testing.worlds.people import PEOPLE
from p2pchat.testing.worlds.scene import Scene

NOBODY: Final = "nobody@CIC"
"""A peer that never comes."""
ODD: Final = (" \U0001f600\u200d\U0001f4a5", " \u202eabc\u202c", " \x07\x1b[2J\r", " ééééééé" * 667)
"""Ends of texts: emoji, from right to left, controls, and 10 KB."""
_LATEST: Final = 6
"""Messages of which one is changed."""
_LOOKS: Final = ("/history", "/history * 50", "/search alice", "/outbox", "/peers", "/odd")


def _life(scene: Scene, dice: Dice) -> Life | None:
    """A node that is up, and at which people and programs speak."""
    life = scene.lives[dice.choice(scene.people)]
    return life if life.up and not life.host.paused else None


def _other(scene: Scene, name: str, dice: Dice) -> str:
    """Somebody to whom this node speaks."""
    to = dice.choice((*scene.names, NOBODY, *([PLAIN] * (scene.plain is not None))))
    return scene.names[(scene.names.index(name) + 1) % len(scene.names)] if to == name else to


def _scope(name: str, dice: Dice) -> str:
    return dice.choice(("*", "#" + name.rpartition("@")[2]))


def _odd(dice: Dice) -> str:
    return dice.choice(ODD) if dice.random() < 0.1 else ""


# ---------------------------------------------------------------- people and programs


def _pass(scene: Scene, dice: Dice) -> None:
    seconds = 0.001 + 0.999 * dice.random() ** 3
    if dice.random() < 0.05:
        seconds *= 60.0
    scene.tell(f"{seconds:.3f} s pass")
    scene.pass_time(seconds)


def _thread(scene: Scene, dice: Dice) -> None:
    scene.step_threads(dice.randint(1, 6))


def _send(scene: Scene, dice: Dice) -> None:
    life = _life(scene, dice)
    if life is not None:
        to = _other(scene, life.name, dice)
        for _ in range(dice.choice((1, 1, 2, 3))):
            text = scene.account.say(life.name, to, "send", _odd(dice))
            scene.tell(f"{life.name}: sends {text[:80]!r} to {to}")
            with suppress(NotSentError):
                life.node.send(to, text)


def _publish(scene: Scene, dice: Dice) -> None:
    life = _life(scene, dice)
    if life is not None:
        scope = _scope(life.name, dice)
        text = scene.account.say(life.name, scope, "send", _odd(dice))
        scene.tell(f"{life.name}: publishes {text[:80]!r} to {scope}")
        with suppress(NotSentError):
            life.node.publish(scope, text)


def _edit(scene: Scene, dice: Dice) -> None:
    """Somebody gives one of the latest messages another text."""
    life = _life(scene, dice)
    if life is None:
        return
    account = scene.account
    own = [each for each in account.by_id.values() if each.sender == life.name and not each.of]
    if own:
        first = dice.choice(own[-_LATEST:])
        text = account.say(life.name, first.to, "send", _odd(dice))
        scene.tell(f"{life.name}: {first.text[:40]!r} to {first.to} is now {text[:80]!r}")
        with suppress(NotSentError):
            if first.direct:
                life.node.send(first.to, text, of=first.msg_id)
            else:
                life.node.publish(first.to, text, of=first.msg_id)


def _away(scene: Scene, dice: Dice) -> None:
    """Somebody goes away, or comes back."""
    life, text = _life(scene, dice), dice.choice(("", "lunch", "back at 5"))
    if life is not None:
        scene.tell(f"{life.name}: {f'is away: {text}' if text else 'is back'}")
        life.node.absences.say(text)


def _request(scene: Scene, dice: Dice) -> None:
    life = _life(scene, dice)
    if life is not None:
        to, origin = _other(scene, life.name, dice), f"request {scene.step_number}"
        target = dice.choice((to, to, _scope(life.name, dice)))
        text = scene.account.say(life.name, target, origin, _odd(dice))
        scene.tell(f"{life.name}: {origin}: sends {text[:80]!r} to {target}")
        life.ask(origin, None, do="send", to=target, text=text)


def _cancel(scene: Scene, dice: Dice) -> None:
    life = _life(scene, dice)
    if life is not None:
        whom = dice.choice((None, _other(scene, life.name, dice)))
        origin = f"cancel {scene.step_number}"
        scene.tell(f"{life.name}: {origin}: cancels what waits for {whom or 'all'}")
        window = scene.account.asks(life.name, whom, forgets=False)
        life.ask(origin, window, do="run", line=f"/outbox cancel {whom or 'all'}")


def _forget(scene: Scene, dice: Dice) -> None:
    life = _life(scene, dice)
    if life is not None:
        whom, origin = _other(scene, life.name, dice), f"forget {scene.step_number}"
        typed, also = dice.random() < 0.3, _other(scene, life.name, dice)
        for peer in [whom, also][: dice.choice((1, 2))]:  # one waits for the other then
            scene.tell(f"{life.name}: {origin}: forgets {peer}")
            for _ in range(1 + typed):  # a person is asked first whether that is meant
                window = scene.account.asks(life.name, peer, forgets=True)
                if typed:
                    life.ask(origin, window, do="run", line=f"/forget {peer}")
                else:
                    life.ask(origin, window, do="forget", peer_id=peer)


def _flood(scene: Scene, dice: Dice) -> None:
    """A program says much at once."""
    life = _life(scene, dice)
    if life is not None:
        to, many = _other(scene, life.name, dice), dice.choice((50, 50, 300))
        scene.tell(f"{life.name}: sends {many} messages to {to}")
        for _ in range(many):
            with suppress(NotSentError):
                life.node.send(to, scene.account.say(life.name, to, "send"))


def _reload(scene: Scene, dice: Dice) -> None:
    """Other settings, of which some are narrow."""
    life = _life(scene, dice)
    if life is not None:
        acks, timeout = dice.choice((3, 10_000)), dice.choice((1.0, 5.0))
        scene.tell(f"{life.name}: at most {acks} wait for an ACK, {timeout:g} s each")
        was = life.node.settings
        limits = replace(was.limits, max_pending_acks=acks)
        connection = replace(was.connection, ack_timeout=timeout)
        life.node.configure(replace(was, limits=limits, connection=connection))


def _script(scene: Scene, dice: Dice) -> None:
    life = _life(scene, dice)
    if life is None or life.script is not None:
        return
    scene.shared.unread.read(life.name)  # its console attends, and perhaps shows the past
    account, origin = scene.account, f"script {scene.step_number}"
    to = _other(scene, life.name, dice)
    lines: list[str] = []
    windows: list[Window] = []
    for _ in range(dice.randint(1, 4)):
        what = dice.choices(("msg", "pub", "look", "cancel", "forget"), (12, 3, 2, 1, 1))[0]
        if what == "msg":
            lines.append(f"/msg {to} {account.say(life.name, to, origin)}")
        elif what == "pub":
            lines.append(f"/pub * {account.say(life.name, '*', origin)}")
        elif what == "look":
            lines.append(dice.choice(_LOOKS))
        else:
            line = "/outbox cancel all" if what == "cancel" else f"/forget {to}"
            whom = None if what == "cancel" else to
            lines.append(line)
            windows.append(account.asks(life.name, whom, forgets=what == "forget"))
    quits = dice.random() < 0.3
    if "edit" in scene.kind.rates:
        lines = [*_with_changes(lines, lambda: account.say(life.name, to, origin), dice)]
    scene.tell(f"{life.name}: {origin}{' leaves in the end' * quits}: {'; '.join(lines)}")
    life.run_script(origin, lines, windows, quits)


def _with_changes(lines: list[str], say: Callable[[], str], dice: Dice) -> Iterator[str]:
    """The lines of a script, with another text for some of what they say."""
    for line in lines:
        yield line
        if line.startswith(("/msg", "/pub")) and dice.random() < 0.3:
            yield f"/edit {say()}"


def _stop(scene: Scene, dice: Dice) -> None:
    life = scene.lives[dice.choice(scene.names)]
    if life.up and not life.host.paused:
        life.stop()


def _start(scene: Scene, dice: Dice) -> None:
    first = dice.randrange(len(scene.names))
    for name in (*scene.names[first:], *scene.names[:first]):
        if scene.lives[name].gone:
            scene.start(name)
            return


def _plain(scene: Scene, dice: Dice) -> None:
    """The plain peer dials, says something, or leaves."""
    to, what = dice.choice(scene.names), dice.choice(("dial", "send", "send", "send", "close"))
    if scene.plain is None or scene.host(to).paused:
        return
    if what == "dial":
        scene.plain.dial(scene.ip(to))
    elif what == "send":
        scene.plain.speak(to)
    else:
        scene.plain.goodbye(to)


ACTS: Final[dict[str, Callable[[Scene, Dice], None]]] = {
    "pass": _pass,
    "thread": _thread,
    "send": _send,
    "publish": _publish,
    "edit": _edit,
    "away": _away,
    "request": _request,
    "cancel": _cancel,
    "forget": _forget,
    "script": _script,
    "flood": _flood,
    "reload": _reload,
    "stop": _stop,
    "start": _start,
    "plain": _plain,
    **FAULTS,
    **DAMAGE,
    **PEOPLE,
    **FINDING,
}
"""Name -> what it does; `kind` says how often."""
