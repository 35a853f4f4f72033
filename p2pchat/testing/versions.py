"""Nodes of another version of p2pchat in the same fake network, from a folder that has its code.

    old = OtherVersion("/path/to/a/checkout")
    town.serve()
    node = old.node(town, "old@CIC")          # a ChatNode of that version, started
    node.observers.add(...)                   # as that version's observers are

Rules: that version's modules are loaded beside ours, and neither finds the other's. What imports
something only when it is called finds its own inside `with old.loaded():`. Such a node asks the
real rendezvous with a client of its own version. A version that is not given chance and the wall
clock takes them from the system: then a world is not the same twice, byte for byte.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Final

from p2pchat.testing.nodes import PORT, FakeTown

_PACKAGE: Final = "p2pchat"
_PLACES: Final = {
    "ChatNode": ("node.node", "node"),
    "Settings": ("settings.values", "settings"),
    "PeerSettings": ("settings.values", "settings"),
    "LimitSettings": ("settings.values", "settings"),
    "RendezvousClient": ("rendezvous.client",),
    "Observer": ("node.observers", "observers"),
}
"""What a node is made of -> where it has been, the latest place first."""


class OtherVersion:
    """The p2pchat in this folder, which holds the package's own folder.

    Raises ImportError if there is none, or none that is known how to use.
    """

    def __init__(self, folder: str) -> None:
        root = Path(folder).resolve()
        if not (root / _PACKAGE / "__init__.py").is_file():
            raise ImportError(f"no {_PACKAGE} in {root}")
        self.modules: dict[str, ModuleType] = {}
        """Its modules, by their names."""
        self._root = str(root)
        self._parts: dict[str, Any] = {}
        with self.loaded():
            self._parts = {name: _found(name, places) for name, places in _PLACES.items()}
        self.version = str(self.modules[_PACKAGE].__dict__.get("__version__"))

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """While it lasts, `import p2pchat` means that version's."""
        ours = _taken_out()
        sys.modules.update(self.modules)
        sys.path.insert(0, self._root)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(self._root)
            self.modules = _taken_out()
            sys.modules.update(ours)

    def __getattr__(self, name: str) -> Any:
        """`ChatNode`, `Settings` and what else a node is made of."""
        if name in _PLACES:
            return self._parts[name]
        raise AttributeError(name)

    def node(self, town: FakeTown, peer_id: str, *, ip: str = "") -> Any:
        """A started node of that version in a town that serves a real rendezvous.

        Stop it with `stopService` before the town closes: the town does not know it.
        """
        if town.served is None:
            raise ValueError("a node of another version needs a rendezvous: call town.serve()")
        host = town.network.host(ip or f"10.0.0.{len(town.network.hosts) + 1}")
        name, namespace = peer_id.rsplit("@", 1)
        with self.loaded():
            directory = self.RendezvousClient(host, town.served.host.ip, town.served.port)
            settings = self.Settings(
                peer=self.PeerSettings(name=name, namespace=namespace, port=PORT),
                limits=self.LimitSettings(peer_rate=0),
            )
            chance = {
                "jitter": town.network.random.uniform,
                "random_bytes": Random(f"{town.network.seed} {host.ip} other version").randbytes,
                "wall": host.wall,
            }
            known = inspect.signature(self.ChatNode).parameters
            given = {option: value for option, value in chance.items() if option in known}
            node = self.ChatNode(host, settings, directory, **given)
            node.startService()
        return node


def _found(name: str, places: tuple[str, ...]) -> Any:
    for place in places:
        try:
            return getattr(importlib.import_module(f"{_PACKAGE}.{place}"), name)
        except (ModuleNotFoundError, AttributeError):
            continue
    raise ImportError(f"{name} is in none of {', '.join(places)}")


def _taken_out() -> dict[str, ModuleType]:
    """Take the package, whatever version it is of, out of what is imported."""
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}
