"""p2pchat: a peer-to-peer chat on Twisted.

Programs of your own, such as a bot, take what they need from here:

    from p2pchat import ChatNode, Observer, Settings

`p2pchat.testing` has the fakes to test them with. Rules: a name's module is imported when somebody
asks for the name, so that a program which needs few of them starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

__version__ = "1.1.0.dev0"
"""What was built (PEP 440): with `.dev0` it is on its way to that version, and not released."""

_HOMES: Final = {
    "CannotStartError": "mesh.link.ports",
    "ChatNode": "node.node",
    "ConnectionSettings": "settings.values",
    "LimitSettings": "settings.values",
    "NotSentError": "node.news",
    "Observer": "node.observers",
    "Peer": "mesh.peers",
    "PeerSettings": "settings.values",
    "Pub": "wire.messages",
    "Published": "node.publishing",
    "RendezvousClient": "rendezvous.client",
    "RendezvousSettings": "settings.values",
    "Send": "wire.messages",
    "Settings": "settings.values",
    "Status": "mesh.peers",
}
"""Public name -> the module that has it."""

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from p2pchat.mesh.link.ports import CannotStartError as CannotStartError
    from p2pchat.mesh.peers import Peer as Peer
    from p2pchat.mesh.peers import Status as Status
    from p2pchat.node.news import NotSentError as NotSentError
    from p2pchat.node.node import ChatNode as ChatNode
    from p2pchat.node.observers import Observer as Observer
    from p2pchat.node.publishing import Published as Published
    from p2pchat.rendezvous.client import RendezvousClient as RendezvousClient
    from p2pchat.settings.values import ConnectionSettings as ConnectionSettings
    from p2pchat.settings.values import LimitSettings as LimitSettings
    from p2pchat.settings.values import PeerSettings as PeerSettings
    from p2pchat.settings.values import RendezvousSettings as RendezvousSettings
    from p2pchat.settings.values import Settings as Settings
    from p2pchat.wire.messages import Pub as Pub
    from p2pchat.wire.messages import Send as Send
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
