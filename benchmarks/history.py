"""What a history costs: storing and filing a message, its size, reading and searching many.

    python benchmarks/history.py --messages 1000000

Texts are eight words whose frequencies fall as in a language (the n-th word comes 1/n as often).
Times of storing are CPU of this process; those of reading are wall-clock, the slowest of five.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collections.abc import Callable

from p2pchat.history.database import Database
from p2pchat.history.reading import Reader
from p2pchat.history.records import Batch
from p2pchat.history.segments import pack
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.stamps import MessageIds

BATCH = 500
PEERS = [f"peer{number}@CIC" for number in range(200)]


class Language:
    """Made-up texts. `words` begins with the commonest one."""

    def __init__(self, chance: random.Random) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._chance = chance
        self.words = [
            "".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(20_000)
        ]
        self._weights = [1 / (rank + 1) for rank in range(len(self.words))]

    def texts(self, count: int) -> list[str]:
        """So many texts of eight words."""
        words = self._chance.choices(self.words, self._weights, k=8 * count)
        return [" ".join(words[at : at + 8]) for at in range(0, 8 * count, 8)]


def fill(path: str, count: int, language: Language, chance: random.Random) -> None:
    """Store and file so many messages, and tell what that cost."""
    new_id, database = MessageIds(os.urandom), Database(path)
    storing = filing = 0.0
    for first in range(1, count + 1, BATCH):
        peer_id = chance.choice(PEERS)
        messages: list[Send | Pub] = [
            Send(new_id(), peer_id, "me@CIC", text, True)
            if first // BATCH % 2
            else Pub(new_id(), peer_id, "#CIC", text)
            for text in language.texts(BATCH)
        ]
        ids = [str(message.msg_id) for message in messages]
        began = time.process_time()
        batch = Batch([pack(first, peer_id, 1.79e9 + first, messages, ids)])
        database.commit(batch)
        stored = time.process_time()
        if first // BATCH % 20 == 0:
            while database.file():
                pass
        storing += stored - began
        filing += time.process_time() - stored
    while database.file():
        pass
    database.close()
    print(f"storing   {storing / count * 1e6:6.2f} us a message, in batches of {BATCH}")
    print(f"filing    {filing / count * 1e6:6.2f} us a message, when there is time")
    print(f"size      {os.path.getsize(path) / count:6.1f} bytes a message")


def read(path: str, language: Language) -> None:
    """Ask what a person asks, and tell how long it took."""
    reader, words = Reader(path), language.words
    questions: dict[str, Callable[[], object]] = {
        "/history": lambda: reader.recent(None, 20),
        "/history peer": lambda: reader.recent(PEERS[7], 20),
        "/history #CIC": lambda: reader.recent("#CIC", 20),
        "/search, the commonest word": lambda: reader.search(words[0], 20),
        "/search, two common words": lambda: reader.search(f"{words[0]} {words[1]}", 20),
        "/search, a rare word": lambda: reader.search(words[15_000], 20),
        "/search, rare and common": lambda: reader.search(f"{words[15_000]} {words[0]}", 20),
        "/search, no such word": lambda: reader.search("qqqqqqqqqqqq", 20),
        "/search, the beginning ab*": lambda: reader.search("ab*", 20),
        "/search, no words (日本)": lambda: reader.search("日本", 20),
    }
    for name, ask in questions.items():
        took = []
        for _ in range(5):
            began = time.perf_counter()
            ask()
            took.append(time.perf_counter() - began)
        print(f"{name:<28} {max(took) * 1e3:7.1f} ms")
    began = time.perf_counter()
    Database(path).load(100_000)
    print(f"{'start, 100,000 ids':<28} {(time.perf_counter() - began) * 1e3:7.1f} ms")


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    chance = random.Random(1)
    language = Language(chance)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "history.sqlite")
        fill(path, options.messages, language, chance)
        read(path, language)


if __name__ == "__main__":
    main()
