"""What other programs have of a running node: control socket, hooks, systemd, metrics, reload.

Rules: each part is imported when it is wanted, so that a plain chat starts as fast as without.
A control socket that nobody asked for by name may fail, with a line in the log; whatever somebody
did ask for must work, or the program does not start.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred

from p2pchat.control.paths import ControlError
from p2pchat.control.service import ControlService
from p2pchat.logs.levels import Log
from p2pchat.logs.output import reopen
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.node.node import ChatNode
from p2pchat.service.hooks import MessageHook
from p2pchat.service.notify import NotifyService
from p2pchat.settings.checks import ConfigError, serve_address
from p2pchat.settings.values import Settings
from p2pchat.wire.text import shortened

if TYPE_CHECKING:
    from p2pchat.service.metrics import MetricsService

_log: Final = Log("Program")
OFF: Final = "off"
"""The path that means no control socket."""


class Administration(Service):
    """Everything of that kind for one program.

    `stop` ends the program in order; `reread` reads its settings again and may raise ConfigError.
    Call `listen` once the node listens, start the service after the node, call `leaving` before the
    node stops, and stop the service after it.
    """

    name: str | None = "administration"

    def __init__(
        self,
        reactor: Any,
        node: ChatNode,
        *,
        stop: Callable[[], None],
        reread: Callable[[], Settings] | None = None,
    ) -> None:
        self._reactor = reactor
        self._node = node
        self._stop = stop
        self._reread = reread
        self.control: ControlService | None = None
        self.metrics: MetricsService | None = None
        self.hook: MessageHook | None = None
        self._notify: NotifyService | None = None

    def listen(self) -> None:
        """Open the control socket and the port for metrics, as far as the settings want them.

        Raises `CannotStartError` with a sentence.
        """
        settings = self._node.settings
        self._check_hook(settings)
        self._open_control(settings.control.path)
        if settings.metrics.address is not None:
            self._open_metrics(settings.metrics.address)

    def _open_control(self, path: str | None) -> None:
        if path == OFF:
            return
        from p2pchat.control.service import ControlService

        whole = None if path is None else os.path.abspath(os.path.expanduser(path))
        control = ControlService(
            self._reactor, self._node, stop=self._stop, reload=self.reload, path=whole
        )
        try:
            control.listen()
        except ControlError as why:
            if path is not None:
                raise CannotStartError(f"no control socket: {why}") from None
            _log.warn("No control socket: {why}", why=str(why))
            return
        self.control = control
        self._node.counting.append(control.section)

    def _open_metrics(self, address: str) -> None:
        try:
            from p2pchat.service.metrics import MetricsError, MetricsService
        except ImportError:
            raise CannotStartError(
                'metrics need an extra that is not installed: .venv/bin/pip install ".[metrics]"'
            ) from None
        host, port = serve_address(address)
        metrics = MetricsService(self._reactor, self._node, host or "127.0.0.1", port)
        try:
            metrics.listen()
        except MetricsError as why:
            raise CannotStartError(str(why)) from None
        self.metrics = metrics

    def _check_hook(self, settings: Settings) -> None:
        program = settings.hooks.message
        if program is None:
            return
        import shutil

        if shutil.which(os.path.expanduser(program)) is None:
            raise CannotStartError(f"hooks.message: {shortened(program)} cannot be run")

    def _set_hook(self, settings: Settings) -> None:
        """Begin to run a program for each message, once one is named."""
        if self.hook is not None or settings.hooks.message is None:
            return
        from p2pchat.service.hooks import MessageHook

        environ = {**os.environ, "P2PCHAT_PEER_ID": self._node.me.peer_id}
        if self.control is not None:
            environ["P2PCHAT_CONTROL"] = self.control.path
        self.hook = MessageHook(self._reactor, self._node.me.peer_id, settings.hooks, environ)
        self._node.observers.add(self.hook)
        self._node.counting.append(self.hook.section)

    def startService(self) -> None:
        """Begin; the node has started."""
        super().startService()
        self._set_hook(self._node.settings)
        if self.control is not None:
            self.control.startService()
        if self.metrics is not None:
            self.metrics.startService()
        if "NOTIFY_SOCKET" in os.environ:
            from p2pchat.service.notify import notify_service

            self._notify = notify_service(self._reactor, self._status)
            if self._notify is not None:
                self._notify.startService()

    def leaving(self) -> None:
        """The node is about to stop."""
        notify, self._notify = self._notify, None
        if notify is not None:
            notify.stopService()
        if self.hook is not None:
            self.hook.stop()

    def stopService(self) -> Deferred[Any]:
        """Stop; whoever is connected has heard what became of the last messages."""
        super().stopService()
        parts = [part for part in (self.control, self.metrics) if part is not None]
        return gatherResults([maybeDeferred(part.stopService) for part in parts])

    def reload(self) -> list[str]:
        """Read the settings again; returns sentences on what came of it, which are logged, too.

        Raises `ConfigError` when nothing was changed because they cannot be used.
        """
        if self._notify is not None:
            self._notify.reloading()
        reopen()
        try:
            said = self._reload()
        except (ConfigError, CannotStartError) as why:
            _log.warn("Not reloaded, nothing was changed: {why}", why=str(why))
            raise ConfigError(f"nothing was changed: {why}") from None
        finally:
            if self._notify is not None:
                self._notify.reloaded()
        for sentence in said:
            _log.info("Reloaded: {text}", text=sentence)
        return said

    def hang_up(self) -> None:
        """SIGHUP came: the same, with nobody to tell but the log."""
        with contextlib.suppress(ConfigError):
            self.reload()

    def _reload(self) -> list[str]:
        if self._reread is None:
            raise ConfigError("there are no settings to read again")
        from p2pchat.service.reload import apply

        settings = self._reread()
        self._check_hook(settings)
        self._set_hook(settings)
        return apply(self._node, settings, self.hook)

    def _status(self) -> str:
        node = self._node
        count, known = len(node.mesh.links), len(node.peers)
        state = "registered" if node.presence.grant is not None else "not registered"
        trouble = f" ({node.presence.trouble})" if node.presence.trouble else ""
        return f"{node.me.peer_id}: {count} links, {known} peers known, {state}{trouble}"
