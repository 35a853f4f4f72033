"""The rendezvous server as a program: the service that its options describe, and running it.

`p2pchat-rendezvous` runs it in the foreground and logs to standard error; `twistd
p2pchat-rendezvous` and `twist p2pchat-rendezvous` take the same options.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import LogEvent

from p2pchat.logs import levels as logs
from p2pchat.logs.formats import text_line
from p2pchat.logs.output import start_logging, wanted
from p2pchat.rendezvous.connection import Limits
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.service.process import (
    descriptor_limit,
    fill_standard_descriptors,
    poll_directly,
    use_steady_clock,
)
from p2pchat.service.rendezvous_options import Options
from p2pchat.wire.text import printable

_log: Final = logs.Log("Rendezvous")


def makeService(options: Options) -> MultiService:
    """The server that `options` describe, its port already open and its database read.

    Both happen here, before a daemon lets go of its terminal, because here a person can still be
    told in one sentence what is wrong: SystemExit with status 1.
    """
    from twisted.internet import reactor

    use_steady_clock(reactor)
    poll_directly(reactor)
    values = options.checked
    registry = Registry(values["max-registrations"])
    limits = Limits(
        connections=_possible_connections(values["max-connections"]),
        idle=values["idle-timeout"],
        total=values["request-timeout"],
        per_minute=values["connections-per-minute"],
    )
    service = MultiService()
    if values["database"] is not None:
        from p2pchat.rendezvous.stores.journal import Persistence
        from p2pchat.rendezvous.stores.sqlite import RegistrationFile
        from p2pchat.sqlite import ForeignFileError

        # First in, so that it is last out: what the server still changes is written.
        persistence = Persistence(registry, RegistrationFile(values["database"]), reactor=reactor)
        persistence.setServiceParent(service)
        try:
            persistence.load()
        except ForeignFileError as error:
            _leave(f"database: {error}")
    server = RendezvousService(
        values["port"], values["interface"] or "", registry=registry, limits=limits
    )
    server.setServiceParent(service)
    try:
        server.listen()
    except CannotListenError as error:
        address = f"{values['interface'] or '*'}:{values['port']}"
        _leave(f"port: cannot listen on {address}: {_reason(error)}")
    return service


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server in the foreground until it is told to stop; the exit status."""
    fill_standard_descriptors()
    options = Options()
    options.parseOptions(sys.argv[1:] if argv is None else argv)
    log_file = options.checked["log-file"]
    if log_file is None:
        _log_to_stderr(options.checked["log-level"])
    else:
        start_logging(options.logging, log_file)
    service = makeService(options)

    from twisted.internet import reactor

    running: Any = reactor
    service.privilegedStartService()
    service.startService()
    running.addSystemEventTrigger("before", "shutdown", service.stopService)
    running.run()
    return 0


def _log_to_stderr(level: str) -> None:
    from twisted.logger import FileLogObserver, globalLogBeginner

    def line(event: LogEvent) -> str | None:
        return text_line(event) if wanted(event) else None

    logs.set_level(level)
    observer = FileLogObserver(sys.stderr, line)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _possible_connections(wanted: int) -> int:
    """As many as wanted, or fewer if the process may not open so many files."""
    files = descriptor_limit()
    if files is None:
        return wanted
    # The crowd may grow by a sixth and 100 beyond its limit; some files are for other things.
    possible = max(1, files // 4, (files - 132) * 6 // 7)
    if possible < wanted:
        _log.warn(
            "Only {possible} connections at a time, not {wanted}: the process may open {files} "
            "files",
            possible=possible,
            wanted=wanted,
            files=files,
        )
    return min(wanted, possible)


def _reason(error: CannotListenError) -> str:
    reason = error.socketError
    return getattr(reason, "strerror", None) or str(reason)


def _leave(sentence: str) -> NoReturn:
    sys.stderr.write(printable(sentence) + "\n")
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
