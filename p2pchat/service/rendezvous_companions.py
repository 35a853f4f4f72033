"""What belongs to a rendezvous server beside its port: control socket, metrics, systemd, reload.

Rules: what the settings ask for must work, or the program does not start. A part that nobody asked
for is not imported.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from p2pchat.logs.levels import Log, set_level
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.settings import SERVER_SETTINGS, ServerSettings
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.service.notify import notify_service
from p2pchat.service.process import descriptor_limit
from p2pchat.service.reload import live_changes
from p2pchat.service.rendezvous_figures import RunningServer
from p2pchat.service.rendezvous_options import RendezvousOptions
from p2pchat.service.rendezvous_reload import Reload
from p2pchat.settings.checks import serve_address
from p2pchat.settings.reading import changed
from p2pchat.speech import Sentence

_log: Final = Log("Rendezvous")


def add_companions(
    reactor: Any,
    options: RendezvousOptions,
    service: Reload,
    server: RendezvousService,
    database: Persistence | None,
) -> RunningServer:
    """Put all of it into `service`; raises `ControlError` or `CannotStartError` with a sentence."""
    settings = options.settings
    for sentence in options.warnings:
        _log.warn("{text}", text=sentence)
    running = RunningServer(
        server, service, database, server.factory.monotonic, server.factory.monotonic(), [], []
    )
    if settings.control.path is not None:
        from p2pchat.service.rendezvous_control import ServerSocket

        control = ServerSocket(reactor, running, settings.control.path, service.leave)
        with options.files():
            control.listen()
        control.setServiceParent(service)
    if settings.metrics.address is not None:
        from p2pchat.service.metrics import MetricsPort

        host, port = serve_address(settings.metrics.address)
        metrics = MetricsPort(
            reactor, host or "127.0.0.1", port, running.statistics, running.ill, running.troubles
        )
        metrics.listen()
        metrics.setServiceParent(service)
    notify = notify_service(reactor, lambda: f"{len(server.registry)} registrations")
    if notify is not None:
        notify.setServiceParent(service)
        service.notify = notify
        service.leaving.append(notify)
    # Whoever is answered OK at the end must still find the database open.
    service.leaving.append(server)
    service.hurry = server.factory.stop
    service.reread = options.reread
    service.configure = Configuring(settings, server)
    return running


class Configuring:
    """Has a server go by new settings, as far as it can while it runs."""

    def __init__(self, settings: ServerSettings, server: RendezvousService) -> None:
        self.settings = settings
        """What holds."""
        self._server = server

    def __call__(self, new: ServerSettings) -> list[Sentence]:
        """Go by these; returns a sentence for each change."""
        live, said = live_changes(self.settings, new, SERVER_SETTINGS)
        self.settings = settings = changed(self.settings, live)
        if any(key.startswith("limits.") for key in live):
            self._server.factory.configure(possible_limits(settings.limits))
        self._server.drain = settings.server.drain
        if "logging.level" in live:
            set_level(settings.logging.level)
        return said


def possible_limits(limits: Limits) -> Limits:
    """The same limits, or fewer connections if the process may not open so many files."""
    files = descriptor_limit()
    if files is None:
        return limits
    # Their number may grow by a sixth and 100 beyond its limit; some files are for other things.
    possible = max(1, files // 4, (files - 132) * 6 // 7)
    if possible >= limits.connections:
        return limits
    _log.warn(
        "Only {possible} connections at a time, not {wanted}: the process may open {files} files",
        possible=possible,
        wanted=limits.connections,
        files=files,
    )
    return replace(limits, connections=possible)
