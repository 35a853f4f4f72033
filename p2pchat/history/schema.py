"""The tables of a history file.

    segment      what was received and is not filed yet: many messages in one row; see `segments`
    message      each message that is filed or ours, in the order of its id
    message_of   the messages of each conversation
    message_by   the messages of each sender
    name         peers and scopes; of a sender, the bytes of its messages that are indexed, and
                 whether it is a friend: we ourselves, or one to whom we wrote
    words        the messages that hold a word (FTS5); see `words`
    indexed      how far these two indexes go: all of `message` `upto` an id, and nothing above it;
                 and of which words `words` has all
    renewed      the id up to which `words` has been made anew, while it is not whole
    said         `message` for the eyes of a person
    run          see `running`
    summed       see `sums`, as are `sum` and `marks`

What was received moves from `segment` to `message` when it is quiet, and is indexed then, as ours
is. No segment has a message with an id that is indexed. Times are in ms since the epoch.

Rules: a change of the tables is a new number, and a step in `upgrading` that makes it of the number
before. `words` and `damaged` have none: they can be made, or be missing, at any time.
"""

from __future__ import annotations

from typing import Final

from p2pchat.history import sums, upgrading
from p2pchat.history.records import STATES
from p2pchat.sqlite import Format

_STATE: Final = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(STATES))

FORMAT: Final = Format(
    application=0x70327068,
    number=5,
    tables=(
        # Peers and scopes: a conversation, a sender, or both.
        "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE,"
        " read_upto INTEGER NOT NULL DEFAULT 0, friend INTEGER NOT NULL DEFAULT 0,"
        " bytes INTEGER NOT NULL DEFAULT 0, sum INTEGER, marks INTEGER NOT NULL DEFAULT 0)",
        sums.MARKED,
        "CREATE INDEX name_friend ON name (bytes) WHERE friend",
        "CREATE TABLE message (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL,"
        " sender INTEGER NOT NULL, msg_id TEXT NOT NULL, at INTEGER NOT NULL, said INTEGER,"
        " state INTEGER NOT NULL, text TEXT NOT NULL, security INTEGER, sum INTEGER)",
        "CREATE INDEX message_by ON message (sender)",
        "CREATE INDEX message_published ON message (id) WHERE state = 1",
        "CREATE INDEX message_waiting ON message (id) WHERE state = 3",
        # With `received`, so that what is unread is counted without a look at `message`.
        "CREATE TABLE message_of (conversation INTEGER NOT NULL, id INTEGER NOT NULL,"
        " received INTEGER NOT NULL, PRIMARY KEY (conversation, id)) WITHOUT ROWID",
        "CREATE TABLE indexed (upto INTEGER NOT NULL, words INTEGER NOT NULL)",
        "INSERT INTO indexed VALUES (0, 0)",
        # id: of the first message; strangers: the bytes of what strangers said.
        "CREATE TABLE segment (id INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
        " strangers INTEGER NOT NULL, data BLOB NOT NULL, sum INTEGER)",
        "CREATE TABLE run (id INTEGER PRIMARY KEY, total INTEGER NOT NULL, wall INTEGER NOT NULL,"
        " sum INTEGER)",
        "CREATE TABLE summed (after INTEGER NOT NULL)",
        "INSERT INTO summed VALUES (0)",
        "CREATE VIEW said AS SELECT m.id, datetime(m.at / 1000, 'unixepoch', 'localtime') AS time,"
        f" c.text AS conversation, s.text AS sender, CASE m.state {_STATE} END AS state, m.text"
        " FROM message m JOIN name c ON c.id = m.conversation JOIN name s ON s.id = m.sender",
    ),
    # A large batch costs a fifth less than with 4096, and a single message no more.
    page_size=16384,
    gives_back=True,
    option="--history FILE",
    upgrades={4: upgrading.from_4},
)

FIELDS: Final = (
    "m.id, m.conversation, m.sender, CAST(m.msg_id AS TEXT), m.at, m.said, m.state,"
    " CAST(m.text AS TEXT), m.security, m.sum, c.text, c.sum, s.text, s.sum"
)
"""Those from which `sums.record` makes a record, of a row of `message m` with its `NAMES`."""
NAMES: Final = "LEFT JOIN name c ON c.id = m.conversation LEFT JOIN name s ON s.id = m.sender"
