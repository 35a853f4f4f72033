"""Single flipped bits in files of ours: what is shown then is what was said, or its loss is told.

    python -m benchmarks.flips --flips 400 --seed 1

Writes a history of 200 messages, and a rendezvous's database of 200 registrations. Then, for each
flip, a copy with one bit changed is read as a node, a person and `p2pchat history` would. Prints an
account for the history, its -wal and the database, and each silent flip; its status is 1 if any.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from msgspec import structs

from p2pchat.history.database import Database
from p2pchat.history.reading import Reader
from p2pchat.history.records import PUBLISHED, WAITING, Batch, Change, HistoryError, Record, Since
from p2pchat.history.segments import pack
from p2pchat.rendezvous.stores.sqlite import RegistrationFile, Row
from p2pchat.sqlite import ForeignFileError
from p2pchat.wire.messages import Pub, Send

NOW: Final = 1_790_000_000.0
OWN: Final = "me@CIC"
PEERS: Final = ("bob@CIC", "eva@CIC", "joão@UnB")
SCOPES: Final = ("#CIC", "*")
WORDS: Final = ["ola", "mundo", "bom", "dia", "café", "noite", "chuva", "sol", "livro", "rua"]


def write_history(path: str, *, quiet: bool) -> None:
    """Write 200 messages of every kind; `quiet`: as they are when all is filed and closed."""
    chance = random.Random(7)
    database = Database(path)
    batch = 20
    for first in range(1, 201, batch):
        peer = chance.choice(PEERS)
        texts = [f"{number} {' '.join(chance.sample(WORDS, 4))}" for number in range(batch)]
        if first // batch % 3 == 1:
            database.commit(
                Batch(
                    entries=[
                        Record(
                            first + at,
                            SCOPES[0] if at % 3 == 0 else peer,
                            OWN,
                            f"m{first + at}",
                            NOW + first,
                            PUBLISHED if at % 3 == 0 else WAITING,
                            text,
                        )
                        for at, text in enumerate(texts)
                    ]
                )
            )
            database.commit(Batch(changes=[Change(first + 1, 2), Change(first + 2, 4)]))
        else:
            messages: list[Send | Pub] = [
                Pub(f"p{first + at}", peer, "#CIC", text)
                if at % 4 == 0
                else Send(f"p{first + at}", peer, OWN, text, True)
                for at, text in enumerate(texts)
            ]
            ids = [str(message.msg_id) for message in messages]
            database.commit(Batch([pack(first, peer, NOW + first, messages, ids)]))
        if quiet or first < 120:
            while database.file():
                pass
    database.commit(Batch(read={"bob@CIC": 60}))
    if quiet:
        database.close()
    else:
        shutil.copy(path, path + ".kept")
        shutil.copy(path + "-wal", path + ".kept-wal")
        database.close()
        for ending in ("", "-wal"):
            os.replace(f"{path}.kept{ending}", path + ending)


def shown(path: str) -> tuple[dict[str, Any], bool]:
    """What is shown of a history, and whether a loss was told."""
    database = Database(path)
    with closing(database):
        past = database.load(1000)
        told = bool(past.aside or past.unreadable or past.is_cut)
        reader = Reader(path)
        with closing(reader):
            conversations = (*PEERS, *SCOPES, OWN)
            views: dict[str, Any] = {
                "all": reader.recent(None, 1000),
                "export": [*reader.everything()],
                "outbox": sorted(past.waiting, key=lambda record: record.id),
                "catch-up": reader.numbered(reader.published(SCOPES, "", Since(), 1000)),
                "seen": sorted(past.seen),
                "friends": sorted(past.friends),
                "unread": past.unread,
                "called": reader.peers_called("bob"),
            }
            for name in conversations:
                views[f"of {name}"] = reader.recent(name, 1000)
                views[f"export of {name}"] = [*reader.everything(name)]
            for word in WORDS:
                views[f"search {word}"] = reader.search(word, 1000)
            told = told or bool(reader.newly_damaged())
        # And once more, when all is filed.
        while database.file():
            pass
        reader = Reader(path)
        with closing(reader):
            views["all, later"] = reader.recent(None, 1000)
            for word in WORDS[:3]:
                views[f"search {word}, later"] = reader.search(word, 1000)
            told = told or bool(reader.newly_damaged())
    return views, told


def verdict(right: dict[str, Any], path: str) -> tuple[str, str]:
    """What a flip led to, `told`, `as it was` or `silent`, and what differs.

    Where the end of a -wal is lost, and that is told, an earlier state of a message is not silent.
    """
    try:
        views, told = shown(path)
    except (ForeignFileError, HistoryError, OSError) as trouble:
        return "told: refused", str(trouble)
    except Exception as trouble:
        return "told: refused", repr(trouble)
    differs = [name for name, view in right.items() if views[name] != view]
    for name in differs:
        view = views[name]
        if name in ("unread", "friends", "called", "seen"):
            continue
        known = right[name]
        if told and path.endswith(".k"):
            # A -wal is read up to what is damaged: the rest is told, and a state may be older.
            known = [
                structs.replace(each, state=state) for each in right["all"] for state in range(5)
            ]
        wrong = [each for each in view if each not in known]
        if wrong:
            return "silent", f"{name}: {wrong[:2]}"
    if told:
        return "told", ", ".join(differs)
    return ("silent" if differs else "as it was"), ", ".join(differs)


def flip(path: str, bit: int) -> None:
    """Change one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def write_registrations(path: str) -> None:
    """Write 200 registrations."""
    file = RegistrationFile(path)
    rows = [
        Row(f"192.0.2.{n}", "CIC", f"name{n}", 4000 + n, 7200, NOW + 60 + n) for n in range(200)
    ]
    file.write(rows, [], whole=False)
    file.give_back()
    file.close()


def registered(path: str) -> tuple[set[Row], bool]:
    """What a rendezvous takes over, and whether a loss was told."""
    file = RegistrationFile(path)
    with closing(file):
        rows, aside = file.load(NOW)
        return {*rows}, bool(aside) or file.damaged > 0


def registrations_verdict(right: set[Row], path: str) -> tuple[str, str]:
    """What a flip in a database led to."""
    try:
        rows, told = registered(path)
    except (ForeignFileError, OSError) as trouble:
        return "told: refused", str(trouble)
    except Exception as trouble:
        return "told: refused", repr(trouble)
    if rows - right:
        return "silent", str([*(rows - right)][:2])
    if told:
        return "told", ""
    return ("silent" if rows != right else "as it was"), str([*(right - rows)][:2])


def account(
    path: str,
    ending: str,
    flips: int,
    chance: random.Random,
    judge: Callable[[str], tuple[str, str]],
) -> tuple[Counter[str], list[str]]:
    """Flip bits of a copy of `path` + `ending`, one at a time."""
    counts: Counter[str] = Counter()
    silent: list[str] = []
    size = os.path.getsize(path + ending)
    for _ in range(flips):
        bit = chance.randrange(8 * size)
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, os.path.basename(path))
            for each in ("", "-wal"):
                if os.path.exists(path + each):
                    shutil.copy(path + each, copy + each)
            flip(copy + ending, bit)
            result, why = judge(copy)
        counts[result] += 1
        if result == "silent" or "-v" in sys.argv:
            silent.append(f"bit {bit}: {result}: {why}")
    return counts, silent


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        quiet, killed, database = (os.path.join(folder, name) for name in ("a.q", "a.k", "a.r"))
        write_history(quiet, quiet=True)
        write_history(killed, quiet=False)
        write_registrations(database)

        def right_of(path: str) -> dict[str, Any]:
            with tempfile.TemporaryDirectory() as other:
                for ending in ("", "-wal"):
                    if os.path.exists(path + ending):
                        shutil.copy(path + ending, os.path.join(other, "copy" + ending))
                views, told = shown(os.path.join(other, "copy"))
                assert not told
                return views

        rows, _ = registered(shutil.copy(database, database + ".copy"))
        histories = {path: right_of(path) for path in (quiet, killed)}
        for name, path, ending, judge in (
            ("history", quiet, "", lambda copy: verdict(histories[quiet], copy)),
            (
                "its -wal, after a kill",
                killed,
                "-wal",
                lambda copy: verdict(histories[killed], copy),
            ),
            ("file under a -wal", killed, "", lambda copy: verdict(histories[killed], copy)),
            ("rendezvous", database, "", lambda copy: registrations_verdict(rows, copy)),
        ):
            chance = random.Random(options.seed)
            counts, silent = account(path, ending, options.flips, chance, judge)
            size = os.path.getsize(path + ending)
            results = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
            print(f"{name:<24} {size:>9,} bytes, {options.flips} flips: {results}")
            for line in silent:
                print(f"  {line}")
            failed = failed or counts["silent"] > 0
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
