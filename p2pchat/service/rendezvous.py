"""The rendezvous server as a program: the service that its options describe, and running it.

`p2pchat-rendezvous` runs it in the foreground and logs to standard error; `twistd
p2pchat-rendezvous` and `twist p2pchat-rendezvous` take the same options. SIGHUP has the file of
bans read again, and the log reopened.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import FileLogObserver, LogEvent, globalLogBeginner

from p2pchat.control.client.standard import fill_standard_descriptors, forget_output
from p2pchat.logs.levels import Log, set_level
from p2pchat.logs.output import complain, start_logging, stream_format, wanted
from p2pchat.mesh.link.ports import reason
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.service.command_line import WRONG
from p2pchat.service.notify import notify_service
from p2pchat.service.process import (
    descriptor_limit,
    poll_directly,
    use_steady_clock,
)
from p2pchat.service.rendezvous_options import RendezvousOptions
from p2pchat.service.rendezvous_reload import Reload
from p2pchat.settings.checks import ConfigError
from p2pchat.sqlite import ForeignFileError, InUseError

_log: Final = Log("Rendezvous")

Options = RendezvousOptions  # by this name twistd and twist ask for them


def makeService(options: RendezvousOptions) -> MultiService:
    """The server that `options` describe, its port already open and its database read.

    Both happen here, before a daemon lets go of its terminal, because here a person can still be
    told in one sentence what is wrong: SystemExit, with status 2 when it will be wrong the next
    time, too, else with status 1.
    """
    from twisted.internet import reactor

    use_steady_clock(reactor)
    poll_directly(reactor)
    place, limits = options.settings.server, options.settings.limits
    limits = replace(limits, connections=_possible_connections(limits.connections))
    registry = Registry(limits.registrations, limits.per_address)
    service = Reload(reactor, registry, place.ban_file, reactor.stop)
    service.take_signal()  # before anything that takes long: to read, or to restore
    try:
        service.read()
        if place.database is not None:
            # First in, so that it is last out: what the server still changes is written.
            persistence = Persistence(registry, RegistrationFile(place.database), reactor=reactor)
            persistence.setServiceParent(service)
            with options.files():
                persistence.load()
            if options.user is not None and persistence.failing:
                raise ConfigError(f"database: {options.user.name} cannot use {place.database}")
        server = RendezvousService(
            place.port, place.interface or "", registry=registry, limits=limits
        )
        server.setServiceParent(service)
        server.listen()
        notify = notify_service(reactor, lambda: f"{len(registry)} registrations")
        if notify is not None:
            notify.setServiceParent(service)
    except ConfigError as error:
        service.release()
        _leave(str(error), WRONG)
    except ForeignFileError as error:
        service.release()
        _leave(f"database: {error}", WRONG)
    except InUseError as error:
        service.release()
        _leave(f"database: {error}")
    except CannotListenError as error:
        service.release()
        address = f"{place.interface or '*'}:{place.port}"
        _leave(f"port: cannot listen on {address}: {reason(error)}")
    return service


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server in the foreground until it is told to stop; the exit status."""
    output_closed = fill_standard_descriptors()
    options = RendezvousOptions()
    options.parseOptions(sys.argv[1:] if argv is None else argv)
    if output_closed:
        forget_output()
    logging = options.logging
    if logging.file is None:
        _log_to_stderr(logging.level)
    else:
        start_logging(logging, logging.file)
    service = makeService(options)

    from twisted.internet import reactor

    running: Any = reactor
    service.privilegedStartService()
    service.startService()
    running.addSystemEventTrigger("before", "shutdown", service.stopService)
    running.run()
    return 0


def _log_to_stderr(level: str) -> None:
    text = stream_format("text", 2)

    def line(event: LogEvent) -> str | None:
        return text(event) if wanted(event) else None

    set_level(level)
    observer = FileLogObserver(sys.stderr, line)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _possible_connections(wanted: int) -> int:
    """As many as wanted, or fewer if the process may not open so many files."""
    files = descriptor_limit()
    if files is None:
        return wanted
    # Their number may grow by a sixth and 100 beyond its limit; some files are for other things.
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


def _leave(sentence: str, status: int = 1) -> NoReturn:
    complain(sentence)
    raise SystemExit(status)


if __name__ == "__main__":
    sys.exit(main())
