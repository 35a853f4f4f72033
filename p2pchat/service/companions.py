"""What other programs have of a running node: control socket, metrics, hook, systemd, reload.

Rules: what the settings ask for must work, or the program does not start. The one exception is a
control socket in the usual place, which nobody asked for: if it fails, the log says so. A part that
only a start can ask for is imported when it does; what a reload may ask for is there before it, or
it would come from whatever an upgrade has put on the disk meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from twisted.application.service import MultiService

from p2pchat.control.paths import ControlError
from p2pchat.logs.levels import Log
from p2pchat.logs.output import FilesOf, reopen
from p2pchat.node.node import ChatNode
from p2pchat.service.hooks import MessageHook
from p2pchat.service.page import NodesPage
from p2pchat.service.reload import apply
from p2pchat.settings.checks import ConfigError, serve_address
from p2pchat.settings.examining import hook_trouble
from p2pchat.settings.values import ControlSettings, Settings
from p2pchat.speech import Sentence, _, ngettext, spoken
from p2pchat.wire.stamps import Timestamps

if TYPE_CHECKING:
    from p2pchat.control.answers import Requests
    from p2pchat.control.service import ControlService
    from p2pchat.service.notify import NotifyService

_log: Final = Log("Program")

Reread: TypeAlias = Callable[[], tuple[Settings, list[Sentence]]]
"""Reads the settings again, and says what the person should see of it; raises `ConfigError`."""


class Said(NamedTuple):
    """What came of a reload."""

    warnings: list[Sentence]
    changes: list[Sentence]


OFF: Final = "off"
"""The path that means no control socket."""


class Companions(MultiService):
    """Each of these, if the settings ask for it, as a service of its own.

    They start in the order: control socket, metrics, hook, systemd. `stop` ends the program in
    order; `reread` reads its settings again and may raise `ConfigError`. `files`: in what the
    control socket is made, so that it belongs to the right user. Call `listen` once the
    node listens, start the service after the node, call `leaving` before the node stops, and stop
    the service after it.
    """

    def __init__(
        self,
        reactor: Any,
        node: ChatNode,
        *,
        stop: Callable[[], None],
        reread: Reread | None = None,
        files: FilesOf = nullcontext,
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._node = node
        self._stop = stop
        self._reread = reread
        self._files = files
        self.control: ControlService | None = None
        self._control_later: ControlSettings | None = None
        self.hook: MessageHook | None = None
        self._notify: NotifyService | None = None
        self.page = NodesPage(reactor, node, self._requests)
        """The page for a browser, once somebody has asked for it."""

    def listen(self, *, control_later: bool = False) -> None:
        """Open the control socket, the ports for metrics and for the page, as the settings want.

        `control_later`: a control socket that nobody asked for opens when the service starts.
        Raises `ConfigError`, `ControlError` or `CannotStartError`, each with a sentence.
        """
        settings = self._node.settings
        _check_hook(settings)
        asked = settings.control != ControlSettings() or settings.web.address is not None
        if control_later and not asked:
            self._control_later = settings.control
        elif settings.control.path != OFF:
            self._open_control(settings.control)
        if settings.metrics.address is not None:
            self._open_metrics(settings.metrics.address)
        self.page.setServiceParent(self)
        self._node.page = self.page
        if settings.web.address is not None:
            self.page.open()

    @property
    def awaited(self) -> bool:
        """Whether other programs count on the node as soon as its ports are open: they ask it on
        its control socket, or would miss messages."""
        return self.control is not None or self._node.settings.hooks.message is not None

    def startService(self) -> None:
        """Begin; the node has started."""
        super().startService()
        if self._control_later is not None:
            self._open_control(self._control_later)
        self._set_hook(self._node.settings)
        if "NOTIFY_SOCKET" in os.environ:
            self._notify_systemd()

    def leaving(self) -> None:
        """Tell systemd that the node is about to stop; hooks run until it has left."""
        notify, self._notify = self._notify, None
        if notify is not None:
            notify.disownServiceParent()

    def reload(self) -> list[str]:
        """Read the settings again; returns sentences on what came of it, which are logged, too.

        Raises `ConfigError` when nothing was changed because they cannot be used.
        """
        if self._notify is not None:
            self._notify.reloading()
        reopen()
        if self.control is not None:
            self.control.look_again()
        try:
            done = self._reload()
        except ConfigError as why:
            _log.warn("Not reloaded, nothing was changed: {why}", why=str(why))
            raise ConfigError(Sentence("nothing was changed: {why}", why=why)) from None
        finally:
            if self._notify is not None:
                self._notify.reloaded()
        for warning in done.warnings:
            _log.warn("{text}", text=str(warning))
        for change in done.changes:
            _log.info("Reloaded: {text}", text=str(change))
        return [*map(spoken, (*done.warnings, *done.changes))]

    def hang_up(self) -> None:
        """SIGHUP came: reload, with nobody to tell but the log."""
        with contextlib.suppress(ConfigError):
            self.reload()

    # ------------------------------------------------------------ the parts

    def _open_control(self, wanted: ControlSettings) -> None:
        try:
            self.control = self._socket(wanted.path, wanted.group)
        except ControlError as why:
            if wanted != ControlSettings():
                raise
            _log.warn("No control socket: {why}", why=str(why))
            return
        if wanted.read_only is not None:
            self._socket(wanted.read_only, wanted.read_only_group, self.control)

    def _socket(
        self, path: str | None, group: str | None, looks_at: ControlService | None = None
    ) -> ControlService:
        """A control socket that listens; raises `ControlError`."""
        from p2pchat.control.service import ControlService

        control = ControlService(
            self._reactor,
            self._node,
            stop=self._stop,
            reload=self.reload,
            path=None if path is None else os.path.abspath(path),
            group=group,
            looks_at=looks_at,
        )
        with self._files():
            control.listen()
        self._node.counting.append(control.section)
        control.setServiceParent(self)
        return control

    def _requests(self) -> Requests:
        """What answers the control socket; the page needs it also where there is no socket."""
        if self.control is not None:
            return self.control.requests
        from p2pchat.control.answers import Requests

        stamps = Timestamps(self._node.wall)
        return Requests(
            self._node, self._reactor, stop=self._stop, timestamp=stamps, reload=self.reload
        )

    def _open_metrics(self, address: str) -> None:
        try:
            from p2pchat.service.metrics import MetricsService
        except ImportError:
            sentence = Sentence(
                "metrics need an extra that is not installed: {command}",
                command='.venv/bin/pip install ".[metrics]"',
            )
            raise ConfigError(sentence) from None
        host, port = serve_address(address)
        metrics = MetricsService(self._reactor, self._node, host or "127.0.0.1", port)
        metrics.listen()
        metrics.setServiceParent(self)

    def _set_hook(self, settings: Settings) -> None:
        """Begin to run a program for each message, once one is named."""
        if self.hook is not None or settings.hooks.message is None:
            return
        environ = {**os.environ, "P2PCHAT_PEER_ID": self._node.me.peer_id}
        if self.control is not None:
            environ["P2PCHAT_CONTROL"] = self.control.path
        node, stamps = self._node, Timestamps(self._node.wall)
        self.hook = MessageHook(self._reactor, node.me.peer_id, settings.hooks, environ, stamps)
        self._node.observers.add(self.hook)
        self._node.counting.append(self.hook.section)
        self.hook.setServiceParent(self)

    def _notify_systemd(self) -> None:
        from p2pchat.service.notify import notify_service

        self._notify = notify_service(self._reactor, self._status)
        if self._notify is not None:
            self._notify.setServiceParent(self)

    def _reload(self) -> Said:
        if self._reread is None:
            raise ConfigError(Sentence("there are no settings to read again"))
        settings, warnings = self._reread()
        _check_hook(settings)
        self._set_hook(settings)
        return Said(warnings, apply(self._node, settings, self.hook))

    def _status(self) -> str:
        node = self._node
        registered, trouble = node.presence.grant is not None, node.presence.trouble
        state = _("registered") if registered else _("not registered")
        links, known = len(node.mesh.links), len(node.peers)
        return _("{peer}: {links}, {known}, {state}").format(
            peer=node.me.peer_id,
            links=ngettext("{n} link", "{n} links", links).format(n=links),
            known=ngettext("{n} peer known", "{n} peers known", known).format(n=known),
            state=f"{state} ({spoken(trouble)})" if trouble else state,
        )


def _check_hook(settings: Settings) -> None:
    """Raise `ConfigError` when the hook names a program that cannot be run."""
    trouble = hook_trouble(settings)
    if trouble:
        raise ConfigError(trouble)
