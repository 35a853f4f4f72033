"""From a command line to a running program: the only place that wires things together.

`makeService` is what `twistd p2pchat` and `twist p2pchat` call; `main` is the script `p2pchat`, the
same in the foreground. Both bind the port before anything else runs (before twistd lets go of the
terminal), so that a port that is taken is one sentence and exit status 1.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.error import CannotListenError

from p2pchat.console.full import choose
from p2pchat.console.typed_lines import take_words_out
from p2pchat.control.client.standard import fill_standard_descriptors, forget_output
from p2pchat.control.paths import ControlError
from p2pchat.history.durable import DurableHistory
from p2pchat.history.location import NONE
from p2pchat.history.opening import history_maker
from p2pchat.history.records import HistoryError
from p2pchat.logs.levels import Log
from p2pchat.logs.output import FilesOf, complain, show_on_screen, start_logging
from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_making import prepare
from p2pchat.mesh.link.ports import CannotStartError, reason
from p2pchat.node.book_file import BookFile
from p2pchat.node.node import ChatNode
from p2pchat.node.own_lists import OwnLists
from p2pchat.service.chat_options import ChatOptions, login_name
from p2pchat.service.companions import Companions, Reread
from p2pchat.service.directory import directory_for
from p2pchat.service.machines_rendezvous import of_another_user
from p2pchat.service.own_keys import known_before, open_own_keys
from p2pchat.service.own_name import OwnName, hold_name, names_registered, take_name
from p2pchat.service.process import (
    descriptor_limit,
    poll_directly,
    use_steady_clock,
)
from p2pchat.service.small_files import open_book, open_own_lists
from p2pchat.settings.checks import ConfigError
from p2pchat.settings.paths import default_log_path, typed_lines_path
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence, _, sentence_of
from p2pchat.sqlite import Worker
from p2pchat.wire.address import LOOPBACK
from p2pchat.wire.repetitions import RecentIds

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from p2pchat.console.plain.stdio import StdioConsole
    from p2pchat.mesh.discovery.lan.lan import Carrier
    from p2pchat.rendezvous.local import LocalRendezvous
    from p2pchat.rendezvous.server import RendezvousService

__all__ = ["Options", "Program", "main", "makeService"]

_log: Final = Log("Program")

_SAME_SIGNAL: Final = 0.5
"""Seconds within which a second signal is the same one."""
_FIRST_SCREEN: Final = 0.1
"""Seconds between the first screen and the import and start of what it does not need: for keys that
were pressed before."""
_LAST_WORDS: Final = 0.05
"""Seconds for what is said last to reach the terminal."""

Options = ChatOptions  # by this name twistd and twist ask for them


class Program(Service):
    """Everything that one process runs: the node, a rendezvous if it serves one, the console.

    `status` is what the process should exit with. `stay` keeps it running when piped input ends.
    `reread` reads the settings again when somebody asks for a reload. `files` is in what files are
    made, so that they belong to the user as whom the process will run.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        *,
        stay: bool = False,
        reread: Reread | None = None,
        settings_file: str | None = None,
        files: FilesOf = nullcontext,
    ) -> None:
        self._reactor = reactor
        self._files = files
        self._stay = stay
        self._settings_file = settings_file
        self.status = 0
        self._leaving = False
        self._signalled_at: float | None = None
        self._rendezvous: Service | None
        self._for_others: RendezvousService | None
        self._local: LocalRendezvous | None = None
        self._rest_waits = False
        self._console: Service | None = None
        self._script: StdioConsole | None = None
        self._own_name: OwnName | None = None
        self._untold: list[str | Sentence] | None = []
        """Sentences from before anybody could hear them; None since somebody can."""
        chosen = directory_for(reactor, settings)
        self._rendezvous = self._for_others = chosen.ours
        self._local_wanted = chosen.local
        self.node = ChatNode(
            reactor,
            settings,
            chosen.directory,
            own_name=self._choose_name,
            local=chosen.local,
            max_descriptors=descriptor_limit(),
            make_keys=None if settings.security.policy == "off" else self._make_keys,
            make_history=None if settings.history.file == NONE else self._make_history,
            make_lists=self._make_lists,
            carrier=_carrier(reactor, settings),
            make_book=self._make_book if _remembers(settings) else None,
        )
        self.companions = Companions(
            reactor, self.node, stop=self.leave, reread=reread, files=files
        )

    def _choose_name(self) -> str:
        """The name of a person who did not say one; see `own_name`."""
        settings = self.node.settings
        namespace, where = settings.peer.namespace, settings.rendezvous

        def registered() -> set[str]:
            if where.serve is not None and where.host is None:
                return set()  # nobody has asked ours yet
            if where.host is None:
                return names_registered(LOOPBACK, where.local_port, namespace)
            return names_registered(where.host, where.port, namespace)

        with self._files():
            self._own_name = take_name(login_name(), namespace, registered)
        return self._own_name.name

    def _hold_name(self) -> None:
        """Keep others from choosing the name that was said; two may say the same one."""
        peer = self.node.settings.peer
        # Who wants nothing to be kept wants no folder either.
        if peer.name is not None and self.node.settings.history.file != NONE:
            with self._files(), suppress(OSError):
                self._own_name = hold_name(peer.name, peer.namespace)

    def _release_name(self) -> None:
        if self._own_name is not None:
            self._own_name.release()

    def _make_history(self, own_id: str, seen: RecentIds) -> DurableHistory:
        with self._files():
            node = self.node
            return history_maker(self._reactor, node.settings, node.wall)(own_id, seen)

    def _make_keys(self, own_id: str) -> OwnKeys | None:
        if self._files is not nullcontext:
            prepare()
        with self._files():
            node = self.node
            thread = Worker(self._reactor, "known-keys")
            return open_own_keys(node.settings, own_id, node.wall, self._tell, thread=thread)

    def _make_lists(self, own_id: str) -> OwnLists:
        with self._files():
            thread = Worker(self._reactor, "own-lists")
            return open_own_lists(self.node.settings, own_id, thread, self._tell)

    def _make_book(self, own_id: str) -> BookFile:
        with self._files():
            thread = Worker(self._reactor, "peers")
            return open_book(self.node.settings, own_id, thread, self._reactor)

    def bind(self) -> None:
        """Take the ports, or raise `CannotStartError` with the sentence for the person."""
        try:
            self._take_all()
        except BaseException:
            self._release_name()
            raise

    def _take_all(self) -> None:
        try:
            self.node.listen()
            self._hold_name()
            if self.node.settings.security.policy == "off":
                node = self.node
                node.known = known_before(node.settings, node.me.peer_id, node.wall)
            self.node.outgoing.on_forgotten = _forget_what_was_typed
            if self._for_others is not None:
                self._for_others.listen()
            self.companions.listen(control_later=choose.installed_loop() is not None)
        except (ConfigError, HistoryError) as why:
            raise CannotStartError(sentence_of(why)) from None
        except ControlError as why:
            raise CannotStartError(Sentence("no control socket: {why}", why=why)) from None
        except CannotListenError as why:
            sentence = Sentence(
                "{place}: cannot listen on port {port}: {why}",
                place="rendezvous.serve",
                port=why.port,
                why=reason(why),
            )
            raise CannotStartError(sentence) from None

    def startService(self) -> None:
        """Start the rendezvous first, so that the node finds it, and the console last.

        A full console is first, and everything else comes when there is a first screen.
        """
        super().startService()
        loop = choose.installed_loop()
        if loop is not None:
            self._start_full(loop)
            return
        self._start_node()
        self._start_plain()
        self._start_others()

    def _start_full(self, loop: AbstractEventLoop) -> None:
        from p2pchat.console.full.service import make_full_console

        reactor, node = self._reactor, self.node
        bell = node.settings.console.bell
        full = make_full_console(reactor, node, loop, on_leave=self.leave, bell=bell)
        full.before_line = self._start_rest
        self._rest_waits = True
        full.screen.on_first_drawn(lambda: reactor.callLater(_FIRST_SCREEN, self._start_rest))
        self._show(full, full.show)
        if self.companions.awaited:
            self._start_rest()

    def _start_rest(self) -> None:
        """Start what a first screen does not need, unless that was done."""
        if self._rest_waits:
            self._rest_waits = False
            self._start_node()
            self._start_others()

    def _start_node(self) -> None:
        if self._local_wanted:
            from p2pchat.rendezvous.local import LocalRendezvous

            self._rendezvous = self._local = LocalRendezvous(
                self._reactor,
                self.node.settings.rendezvous.local_port,
                self.node.presence.register_anew,
            )
        if self._rendezvous is not None:
            self._rendezvous.startService()
        self.node.startService()

    def _start_others(self) -> None:
        if self._local is not None and not self._local.hosting:
            self._say(of_another_user(self.node.settings.rendezvous.local_port))
        if self._own_name is not None and self._own_name.told is not None:
            _log.info("{text}", text=str(self._own_name.told))
            self.node.observers.notice(self._own_name.told)
        untold, self._untold = self._untold or [], None
        for sentence in untold:
            self._say(sentence)
        self.companions.startService()
        if self._console is not None and self.node.settings.web.address is not None:
            url = self.companions.page.open().url
            self._show_line("* " + _("the page of this node: {url}").format(url=url))

    def _start_plain(self) -> None:
        """The plain console, if there is input."""
        from p2pchat.console.plain.stdio import make_console

        reactor, node = self._reactor, self.node
        plain = self._script = make_console(reactor, node, stay=self._stay, on_leave=self.leave)
        if plain is not None:
            self._show(plain, plain.show)

    def _tell(self, sentence: str | Sentence) -> None:
        if self._untold is None:
            self._say(sentence)
        else:
            self._untold.append(sentence)

    def _say(self, sentence: str | Sentence | None) -> None:
        """Tell the person, if there is something to tell, and the log."""
        if sentence:
            _log.warn("{text}", text=str(sentence))
            self.node.observers.notice(sentence)

    def _show(self, console: Service, show: Callable[[str], None]) -> None:
        self._console, self._show_line = console, show
        console.startService()
        # What is less grave, the console tells by itself.
        self._unshow = show_on_screen(show, "ERROR")
        if self._settings_file is not None:
            show("* " + _("settings: {path}").format(path=self._settings_file))

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Stop in the reverse order: the console shows what happens until the end."""
        self._start_rest()  # what has begun can be ended
        self.companions.leaving()
        yield self.node.stopService()
        if self.node.outgoing.outcomes.lost:
            self.status = 1
        yield self.companions.stopService()
        if self._rendezvous is not None:
            yield maybeDeferred(self._rendezvous.stopService)
        if self._console is not None:
            self._unshow()
            yield maybeDeferred(self._console.stopService)
        if self._script is not None and self._script.unfinished:
            self.status = 1
        self._release_name()
        super().stopService()

    def leave(self, status: int = 0) -> None:
        """End the process in order, with this exit status; asking twice does no harm."""
        if not self._leaving:
            self._leaving = True
            self.status = status
            self._reactor.stop()

    def signalled(self) -> None:
        """A signal asks to leave: in order the first time, and at once the second time.

        One that comes within `_SAME_SIGNAL` of the first is the same, passed on by a parent.
        """
        now = self._reactor.seconds()
        if self._signalled_at is None:
            self._signalled_at = now
            self.leave()
        elif now - self._signalled_at >= _SAME_SIGNAL:
            self._end_at_once()

    def _end_at_once(self) -> None:
        _log.warn("Asked twice to leave: what is not done yet is not done")
        self.node.lose()
        if self._console is not None:
            maybeDeferred(self._console.stopService)  # which gives the terminal back
        self._reactor.callLater(_LAST_WORDS, _exit_now, self.status or 1)


def _carrier(reactor: Any, settings: Settings) -> Carrier | None:
    """What takes beacons to the neighbours; imported only for who wants to be found by them."""
    if not settings.lan.enabled:
        return None
    from p2pchat.mesh.discovery.lan.multicast import Multicast

    return Multicast(reactor, settings.lan.interfaces, settings.peer.interface)


def _remembers(settings: Settings) -> bool:
    """Whether to remember where peers were: not for who meets only this machine's nodes."""
    goes_out = settings.rendezvous.host is not None or settings.lan.enabled
    return goes_out and settings.cache.peers and settings.history.file != NONE


def _exit_now(status: int) -> NoReturn:
    """End the process, whatever its threads do."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


def makeService(options: ChatOptions) -> Program:
    """The service for parsed options; leaves with a sentence and status 1 if it cannot start."""
    from twisted.internet import reactor

    use_steady_clock(reactor)
    poll_directly(reactor)
    program = Program(
        reactor,
        options.settings,
        stay=options.stay,
        reread=options.reread,
        settings_file=options.file,
        files=options.files,
    )
    if options.file is not None:
        _log.info("Settings read from {path}", path=options.file)
    for sentence in options.warnings:
        _log.warn("{text}", text=str(sentence))
        complain(Sentence("warning: {sentence}", sentence=sentence), "WARNING")
    try:
        program.bind()
    except CannotStartError as why:
        _refuse(options.in_options(sentence_of(why)))
    # Now, and once more when the reactor has set its own.
    _take_signals(reactor, program)
    reactor.callWhenRunning(_take_signals, reactor, program)
    return program


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The script `p2pchat`: run in the foreground until the person leaves, then exit."""
    output_closed = fill_standard_descriptors()
    options = ChatOptions()
    options.parseOptions(sys.argv[1:] if argv is None else [*argv])
    if output_closed:
        forget_output()
    if choose.wanted(plain=options.plain, log_path=options.log_path):
        choose.install()
    from twisted.internet import reactor

    program = makeService(options)
    path = options.log_path
    if options.settings.logging.file is None:
        path = default_log_path(program.node.me.peer_id)
    log = start_logging(options.settings.logging, path)
    program.privilegedStartService()
    program.startService()
    reactor.addSystemEventTrigger("before", "shutdown", program.stopService)
    # What there is now stays as long as the process: no collection need look at it.
    gc.freeze()
    gc.enable()
    reactor.run()
    # Whoever still asks for a reload must not end a process that has done all: the interpreter
    # takes our handler away before it exits.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log.close()
    sys.exit(program.status)


def _take_signals(reactor: Any, program: Program) -> None:
    """SIGINT, SIGTERM and the terminal's hang-up leave in order; a second one ends at once.

    Without a terminal SIGHUP has the settings read again, as daemons do.
    """

    def leave(_number: int, _frame: object) -> None:
        reactor.callFromThread(program.signalled)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    terminal = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.__stdout__))

    def hang_up(_number: int, _frame: object) -> None:
        reactor.callFromThread(program.signalled if terminal else program.companions.hang_up)

    signal.signal(signal.SIGHUP, hang_up)


def _forget_what_was_typed() -> None:
    path = typed_lines_path()
    try:
        take_words_out(path)
    except OSError as why:
        _log.warn("What was typed is still in {path}: {why}", path=path, why=why.strerror)


def _refuse(sentence: Sentence) -> NoReturn:
    _log.error("{text}", text=str(sentence))
    complain(sentence)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
