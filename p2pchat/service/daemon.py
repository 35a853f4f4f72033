"""What twistd was told about the process, carried out before any file is made.

twistd makes the service first, and changes folder and user later: what the service makes before
would be in another folder, and root's, so that nothing could be kept in it.

Rules: relative paths mean the folder in which the process will run. Files are made by the user as
whom it will run, or the start is refused. Nobody else may read or change what we make, whatever
the umask was.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Final, NamedTuple

from p2pchat.logs.output import FilesOf
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened, why_not

_PRIVATE: Final = 0o077
_LOG_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class User(NamedTuple):
    """As whom the process will run, once twistd has changed it."""

    uid: int
    gid: int
    name: str
    home: str

    @contextmanager
    def files(self) -> Iterator[None]:
        """Be this user for as long as files are made."""
        groups, gid = os.getgroups(), os.getegid()
        os.initgroups(self.name, self.gid)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(gid)
            os.setgroups(groups)


def be_private() -> None:
    """Have nobody else read or change what this process makes from now on."""
    os.umask(os.umask(_PRIVATE) | _PRIVATE)


def obey(parent: Any) -> User | None:
    """Go to the folder that twistd was told; returns the user that it was told, if it is another.

    `parent` holds twistd's options, twist's, or is None. Raises `ConfigError` when it cannot be.
    """
    if parent is None or "rundir" not in parent:
        return None
    if parent["umask"] is not None:
        parent["umask"] |= _PRIVATE
    if parent["chroot"] is None:
        folder = parent["rundir"] = os.path.abspath(parent["rundir"])
        try:
            os.chdir(folder)
        except OSError as error:
            sentence = Sentence("rundir: {path}: {why}", path=shortened(folder), why=why_not(error))
            raise ConfigError(sentence) from None
    return _user(parent["uid"], parent["gid"])


def _user(uid: int | None, gid: int | None) -> User | None:
    wanted = os.getuid() if uid is None else uid
    try:
        entry = pwd.getpwuid(wanted)
    except KeyError:
        if uid is None:
            return None
        raise ConfigError(Sentence("uid: there is no user {uid}", uid=uid)) from None
    group = entry.pw_gid if gid is None and uid is not None else gid
    if group is None or (wanted, group) == (os.getuid(), os.getgid()):
        return None
    if os.geteuid() != 0:
        raise ConfigError(Sentence("uid: only root can run a program as somebody else"))
    return User(wanted, group, entry.pw_name, entry.pw_dir)


def move_in(user: User | None, environ: MutableMapping[str, str] | None = None) -> FilesOf:
    """Make this user's home ours; returns the context in which to make files.

    Of the folders that the environment names, root's are none for this user.
    """
    if user is None:
        return nullcontext
    environ = os.environ if environ is None else environ
    environ.update(HOME=user.home, USER=user.name, LOGNAME=user.name)
    for name in [name for name in environ if name.startswith("XDG_")]:
        # One that root made for this user stays.
        try:
            theirs = os.stat(environ[name]).st_uid == user.uid
        except (OSError, ValueError):
            theirs = False
        if not theirs:
            del environ[name]
    return user.files


def hand_over_log(path: str, user: User, *, usual: bool) -> None:
    """Make the log at `path`, and have it belong to this user; raises `ConfigError`.

    `usual`: it is in the user's own folder, which may have to be made.
    """
    with user.files():
        try:
            if usual:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.close(os.open(path, _LOG_FLAGS, 0o600))
            return
        except OSError as error:
            why = why_not(error)
    # A new one in a folder that is root's. One that is there stays whose it is: it may be another
    # name of anything.
    with suppress(OSError):
        descriptor = os.open(path, _LOG_FLAGS | os.O_EXCL, 0o600)
        os.fchown(descriptor, user.uid, user.gid)
        os.close(descriptor)
        return
    sentence = Sentence(
        "log-file: {user} cannot write {path}: {why}",
        user=user.name,
        path=shortened(path),
        why=why,
    )
    raise ConfigError(sentence)
