"""Who may change a file: what is somebody else's is not read, written or asked as if it were ours.

Rules: ours is what belongs to us or to root, and what nobody else may write. A group counts as
somebody else, unless it is the person's own group, as many systems make one for each person.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from typing import Final

from p2pchat.speech import Sentence

_MOST_LINKS: Final = 40
"""As many as a system follows."""


def whose(found: os.stat_result) -> Sentence | None:
    """Why somebody else may change what was found, in a few words; None when nobody may."""
    uid, mode = os.geteuid(), found.st_mode
    if found.st_uid not in (uid, 0):
        return Sentence("it belongs to {user}", user=_user(found.st_uid))
    if mode & stat.S_IWOTH and not stat.S_ISLNK(mode):
        return Sentence("everybody may write it")
    if mode & stat.S_IWGRP and not stat.S_ISLNK(mode) and not _own_group(found.st_gid, uid):
        return Sentence("the group {group} may write it", group=_group(found.st_gid))
    return None


def distrusted(path: str) -> Sentence | None:
    """Why the file at `path` may be somebody else's, as a sentence's end; None when it is ours.

    Its folder counts, too: who may write there may put another file in its place. So do each
    symbolic link on the way to it, and the folder of each.
    """
    try:
        for number, place in enumerate(_on_the_way(path)):
            why = whose(os.lstat(place))
            if why:
                return Sentence("it leads to {path}: {why}", path=place, why=why) if number else why
            folder = os.path.dirname(place)
            why = whose(os.stat(folder))
            if why:
                return Sentence("its folder {folder}: {why}", folder=folder, why=why)
    except OSError:
        return None  # reading it says better what is wrong
    return None


def _on_the_way(path: str) -> Iterator[str]:
    """This path, and what it leads to by symbolic links, one after the other."""
    for _ in range(_MOST_LINKS):
        # Folders may be links themselves, and then ".." is not what it looks like.
        folder = os.path.realpath(os.path.dirname(path))
        path = os.path.join(folder, os.path.basename(path))
        yield path
        if not os.path.islink(path):
            return
        path = os.path.join(folder, os.readlink(path))


def _own_group(gid: int, uid: int) -> bool:
    if gid == 0:
        return True
    try:
        person, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == person.pw_name and {*group.gr_mem} <= {person.pw_name}


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
