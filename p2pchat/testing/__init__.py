"""Fakes for tests, of this project and of whoever writes bots: public, and tested themselves.

    from p2pchat.testing import FakeTown

| module | what it has |
|---|---|
| `clock` | `FakeClock`: time that passes when it is told to |
| `events` | the seeded order of what happens |
| `network` | `FakeNetwork`, `FakeHost`: hosts and ports in memory, in a seeded order of events |
| `connector` | its listening ports, and attempts to connect |
| `transport` | `FakeTransport`: one end of a connection, with the habits of TCP |
| `directory` | `StaticDirectory`, a fixed list, and `FakeRendezvous`, which can be made to fail |
| `disk` | `FakeDisk`: a disk in memory that loses, tears and flips, and is full or slow |
| `databases`, `folder` | its files with their SQLite connections, and their names |
| `threads` | `SteppedWorker`, a thread in fake time; what keeps a node's history on a `FakeDisk` |
| `served` | `ServedRendezvous`, the real server on a host of its own |
| `served_bot` | `ServedBot`, a bot of `p2pchat.bot` and its node, stepped by hand |
| `plain` | `PlainPeer`, a program of another make that keeps an account of what it says and hears |
| `plain_link`, `account` | its connections, and the account |
| `liar`, `lies` | `Liar`, which breaks each rule with a probability, and what there is to break |
| `lying_link` | its connections |
| `worlds` | `run_worlds`: whole worlds around a bot, with what their author checks, `BotAccount` |
| `nodes` | `FakeTown`, nodes in all of these; `connected_pair`; `Recorder`, what a node was told |
| `older`, `versions` | `OlderNode`, and nodes of the code in another folder: `OtherVersion` |

None of it needs a running reactor. As in `p2pchat`, a name's module is imported when somebody asks
for the name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

_HOMES: Final = {
    "BotAccount": "worlds.bot_account",
    "FakeClock": "clock",
    "FakeDisk": "disk",
    "FakeHost": "network",
    "FakeNetwork": "network",
    "FakeRendezvous": "directory",
    "FakeTown": "nodes",
    "FakeTransport": "transport",
    "Fault": "directory",
    "Liar": "liar",
    "Lie": "lies",
    "OlderNode": "older",
    "OtherVersion": "versions",
    "PlainLink": "plain_link",
    "PlainPeer": "plain",
    "Recorder": "nodes",
    "ServedBot": "served_bot",
    "ServedRendezvous": "served",
    "StaticDirectory": "directory",
    "SteppedWorker": "threads",
    "connected_pair": "nodes",
    "run_worlds": "worlds.bots",
}
"""Public name -> the module that has it."""

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from p2pchat.testing.clock import FakeClock as FakeClock
    from p2pchat.testing.directory import FakeRendezvous as FakeRendezvous
    from p2pchat.testing.directory import Fault as Fault
    from p2pchat.testing.directory import StaticDirectory as StaticDirectory
    from p2pchat.testing.disk import FakeDisk as FakeDisk
    from p2pchat.testing.liar import Liar as Liar
    from p2pchat.testing.lies import Lie as Lie
    from p2pchat.testing.network import FakeHost as FakeHost
    from p2pchat.testing.network import FakeNetwork as FakeNetwork
    from p2pchat.testing.nodes import FakeTown as FakeTown
    from p2pchat.testing.nodes import Recorder as Recorder
    from p2pchat.testing.nodes import connected_pair as connected_pair
    from p2pchat.testing.older import OlderNode as OlderNode
    from p2pchat.testing.plain import PlainPeer as PlainPeer
    from p2pchat.testing.plain_link import PlainLink as PlainLink
    from p2pchat.testing.served import ServedRendezvous as ServedRendezvous
    from p2pchat.testing.served_bot import ServedBot as ServedBot
    from p2pchat.testing.threads import SteppedWorker as SteppedWorker
    from p2pchat.testing.transport import FakeTransport as FakeTransport
    from p2pchat.testing.versions import OtherVersion as OtherVersion
    from p2pchat.testing.worlds.bot_account import BotAccount as BotAccount
    from p2pchat.testing.worlds.bots import run_worlds as run_worlds
else:

    def __getattr__(name):
        """Import a public name from where it is."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found

    def __dir__():
        """What there is, imported or not."""
        return sorted({*globals(), *__all__})
