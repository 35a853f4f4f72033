"""Whole worlds around a bot, with one call: for the tests of whoever writes one.

    run_worlds(Echo, seeds=range(50))              raises AssertionError, with a short story
    run_worlds(Echo, seeds=[4711], trace=print)    one of them, line by line
    run_worlds(Echo, check=each_is_answered, texts=("/roll", "/help"))

Rules: the first node of a world has the bot. In a third of the worlds of three nodes or more the
second has it, too, and people speak at that one, so that bots meet each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from p2pchat.testing.worlds.account import Account
from p2pchat.testing.worlds.bot_account import BotAccount
from p2pchat.testing.worlds.bot_life import BotLife, MakeBot, told
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.kind import Dice, Kind, draw_kind
from p2pchat.testing.worlds.life import Life
from p2pchat.testing.worlds.scene import Scene, Tell
from p2pchat.testing.worlds.shrink import is_in, shrink
from p2pchat.testing.worlds.steps import draw_steps
from p2pchat.testing.worlds.storage import HandStorage
from p2pchat.testing.worlds.world import Ran, World

Check: TypeAlias = Callable[[BotAccount], object]
"""What the author of a bot says about a world in the end; it raises when something is wrong."""
ODD_NAMES: Final = ("Zoë", "bob smith", "a@b", "\u0645\u0631\u064a\u0645", "-x", "\U0001f600", "%s")
_TRIES: Final = 100
"""Worlds to try for a short story."""
_LINES: Final = 100
"""Lines of it that an error has, the last ones."""


def run_worlds(
    make_bot: MakeBot,
    *,
    seeds: Iterable[int] = range(50),
    check: Check | None = None,
    texts: Sequence[str] = (),
    trace: Tell | None = None,
) -> Counter[str]:
    """Run the worlds of these seeds around the bot that `make_bot` makes for a node.

    `make_bot(node)` is called at each start of the bot's node, which runs already and adds it to
    its observers. `texts` are what people often say to the bot. `check(account)` is called at
    the end of each world, see `BotAccount`. `trace` gets each line of what happens.

    Returns what happened, and how often: "said by a bot" and the like. Raises `AssertionError` for
    the first world in which something is wrong, with its seed and the shortest story of it.
    """
    counts: Counter[str] = Counter()
    for seed in seeds:
        world = BotWorld.around(make_bot, seed, check, texts)
        if trace is not None:
            story(world, trace)
        ran = world.run()
        counts.update(ran.counts)
        found = [(name, kind) for name, kinds in ran.found.items() for kind in kinds]
        # What depends on the machine alone is not there again.
        wrong = next((each for each in found if each[0] != "B2" or is_in(world, each)), None)
        if wrong is not None:
            raise AssertionError(complaint(seed, ran, wrong, world))
    return counts


def complaint(seed: int, ran: Ran, wrong: tuple[str, str], world: BotWorld) -> str:
    """What is wrong in a world, with the shortest story in which the same is."""
    short = shrink(world, wrong, _TRIES)
    lines: list[str] = []
    story(short, lines.append)
    what = ran.found[wrong[0]][wrong[1]]
    head = f"world {seed}: {': '.join((*wrong, what))}"
    size = f"the same in {len(short.steps)} steps, {short.kind.nodes} nodes:"
    return "\n".join(
        (head, size, *lines[-_LINES:], f"again: run_worlds(..., seeds=[{seed}], trace=print)")
    )


def story(world: World, tell: Tell) -> None:
    """Run a world, and tell it line by line."""
    with suppress(Exception):  # it is told already by what was found
        world.run(tell)


class BotWorld(World, frozen=True):
    """A world with a bot on one or two of its nodes."""

    make_bot: MakeBot
    check: Check | None = None
    texts: Sequence[str] = ()

    @classmethod
    def around(
        cls, make_bot: MakeBot, seed: int, check: Check | None = None, texts: Sequence[str] = ()
    ) -> BotWorld:
        """The world of this seed around this bot."""
        chance = Dice(seed)
        kind = draw_kind(chance)
        if chance.random() < 0.2:
            kind = replace(kind, names=ODD_NAMES)
        return cls(kind, draw_steps(kind, chance), make_bot, check, texts)

    def scene(self, tell: Tell | None, *, tell_bytes: bool = False) -> Scene:
        """What there is in it, before anything happens."""
        return BotScene(self, tell, tell_bytes=tell_bytes)

    def _happen(self, scene: Scene, *, tell_bytes: bool) -> None:
        super()._happen(scene, tell_bytes=tell_bytes)
        if self.check is not None:
            try:
                self.check(scene.account)  # type: ignore[arg-type]
            except Exception as fault:
                scene.find(Violation("B4", f"the check: {type(fault).__name__}", told(fault)))


class BotScene(Scene):
    """What there is in a world with bots."""

    def __init__(self, world: BotWorld, tell: Tell | None, *, tell_bytes: bool) -> None:
        self._world = world
        self.bots = bots_of(world.kind)
        super().__init__(world.kind, tell, tell_bytes=tell_bytes)
        self.people = self.names[1:]

    def make_account(self) -> Account:
        """The account of this world, with what the bots are shown and say."""
        return BotAccount(self.bots, self._world.texts, self.kind.seed)

    def make_life(self, name: str, storage: HandStorage, *, keeps: bool) -> Life:
        """A run of the node of this name, perhaps with a bot."""
        if name not in self.bots:
            return super().make_life(name, storage, keeps=keeps)
        make: Any = self._world.make_bot
        return BotLife(self.shared, name, self.ip(name), storage, make, keeps=keeps)


def bots_of(kind: Kind) -> tuple[str, ...]:
    """The nodes with a bot."""
    return kind.peer_ids[: 2 if kind.nodes > 2 and kind.seed % 3 == 0 else 1]
