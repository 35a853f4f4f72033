"""The page docs/grammar.md against the parser: lines that it allows, and lines that it does not."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire import codec
from p2pchat.wire.codec import MAX_LINE, decode, decode_each, encode
from p2pchat.wire.liberal import WireError
from p2pchat.wire.messages import Message, Unknown
from tests.support.processes import ROOT
from tests.support.recipes import KINDS, tag_of

LINES: Final = 10_000
PAGE: Final = (ROOT / "docs" / "grammar.md").read_text(encoding="utf-8")
NEWER: Final = ("SAID", "CATCH_UP", "EDIT", "AWAY", "KEY", "PEERS_REQ", "PEERS", "PAIR")
"""Those that are read in one form only."""
HALF: Final = re.compile("[\ud800-\udfff]")
"""One of a surrogate pair."""
TEXTS: Final = (
    *("", "x", "alice@CIC", "#CIC", "*", "olá 👩‍👩‍👧", 'a"b\\c/', "\x00\x1b[2J", "\u2028", "}\n{"),
    "long " * 100,
)
ODD: Final[tuple[object, ...]] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -3,
        7,
        0.5,
        -0.5,
        2.0,
        10**25,
        "",
        "0",
        0.0,
        "1",
        "-2",
        "true",
        "True",
        "x",
    ),
    *([], ["ack", None], [[1]], {}, {"a": "b"}),
)


class Field(Struct, frozen=True):
    """One of a message."""

    name: str
    kind: str
    optional: bool
    default: Any
    """What a missing one counts as; UNSET for nothing."""


def messages_of(page: str) -> dict[str, list[Field]]:
    """What the page lists: type -> its fields, in their order."""
    found: dict[str, list[Field]] = {}
    section = page.partition("## The messages\n")[2].partition("\n## ")[0]
    for line in re.findall(r"^    (.*)$", section, re.M):
        start = re.match(r"[A-Z_]+", line)
        if start is not None:
            before = next(reversed(found.values()), [])
            found[start[0]] = [*before] if line.endswith("the same") else []
        current = next(reversed(found.values()))
        for name, kind, end, default in re.findall(r"(\w+):(\w+)(?:(\?)|=(\S+))?", line):
            value = json.loads(default) if default else UNSET
            current.append(Field(name, kind, bool(end or default), value))
    return found


GRAMMAR: Final = messages_of(PAGE)


class Writer:
    """Makes lines of the grammar, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._kinds: dict[str, Callable[[], object]] = {
            "text": lambda: self.random.choice(TEXTS),
            "texts": lambda: self.random.sample(TEXTS, self.random.randrange(4)),
            "integer": lambda: self.random.choice((1, 0, -1, 2, 5, -(10**9), 2**63, 10**25)),
            "number": lambda: self.random.choice((0, 1, 1.5, 1.8e9, -2.5e-7, 1764512345.25)),
            "bool": lambda: self.random.random() < 0.5,
            "id": lambda: self.random.choice((*TEXTS, 7, -0.25, True, False, None)),
            "places": lambda: [self._place() for _ in range(self.random.randrange(3))],
            "json": lambda: self.random.choice((*TEXTS, *ODD)),
        }
        self.kinds = frozenset(self._kinds)

    def _place(self) -> dict[str, object]:
        kinds = {"id": "text", "ip": "text", "port": "integer", "seen": "integer"}
        return {name: self._kinds[kind]() for name, kind in kinds.items()}

    def message(self) -> tuple[str, dict[str, Any]]:
        """The type of a message, and those of its fields that it says."""
        tag = self.random.choice([*GRAMMAR])
        said = {
            field.name: self._kinds[field.kind]()
            for field in GRAMMAR[tag]
            if not field.optional or self.random.random() < 0.7
        }
        return tag, said

    def line(self, fields: dict[str, Any]) -> bytes:
        """These in some order, with white space and escapes, among some that nobody knows."""
        members = [*fields.items()]
        if self.random.random() < 0.3:
            members.append((f"x-{self.random.choice(TEXTS)}", self._kinds["json"]()))
        if self.random.random() < 0.5:
            self.random.shuffle(members)
        blank = self.random.choice(("", "", " ", "\t \r"))
        ascii_only = self.random.random() < 0.3
        text = f"{blank},{blank}".join(
            f"{json.dumps(name, ensure_ascii=ascii_only)}{blank}:{blank}"
            f"{json.dumps(value, ensure_ascii=ascii_only)}"
            for name, value in members
        )
        return f"{blank}{{{blank}{text}{blank}}}{blank}\n".encode()

    def odd(self, tag: str, fields: dict[str, Any]) -> bytes:
        """A line with something that the grammar does not allow, or that looks like it."""
        way = self.random.randrange(6)
        changed = {"type": tag, **fields}
        name = self.random.choice([*changed])
        if way < 3:
            changed[name] = self.random.choice(ODD)
        elif way == 3:
            del changed[name]
        line = bytearray(self.line(changed))
        if way > 3:
            at = self.random.randrange(len(line) - 1)
            if way == 4:
                del line[at]
            else:
                line[at] = self.random.choice(b'{}[]",:\\x0\x01\xc3\xff')
        return bytes(line)


def otherwise(field: Field, value: object, fields: dict[str, Any]) -> object:
    """What the page says that an odd value counts as."""
    if field.name in ("payload", "version"):
        return json.dumps(value, ensure_ascii=False)
    if field.name == "peer_id":
        return fields["src"] if isinstance(fields.get("src"), str) else ""
    if field.kind == "texts":
        return [each for each in value if isinstance(each, str)] if type(value) is list else []
    if field.name == "ttl":
        return ttl(value)
    if field.name == "require_ack":
        return value in (1, "true", "True")
    return {"text": "", "id": value}.get(field.kind, UNSET)


def ttl(value: object) -> int:
    if not isinstance(value, bool | float | str):
        return 1
    try:
        number = float(value)
    except ValueError:
        return 1
    return 0 if number <= 0 else 1


def is_place(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    wanted = {"id": "text", "ip": "text", "port": "integer", "seen": "integer"}
    read = {"seen": 0, **value}
    return all(name in read and fits(kind, read[name]) for name, kind in wanted.items())


def read_as(kind: str, value: Any) -> Any:
    """What a value that fits is to the reader."""
    if kind == "places":
        named = ("id", "ip", "port", "seen")
        return [{name: {"seen": 0, **each}[name] for name in named} for each in value]
    return float(value) if kind == "number" else value


def fits(kind: str, value: object) -> bool:
    """Whether a value is of a kind, as the page's table says."""
    if kind == "texts":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind == "places":
        return isinstance(value, list) and all(map(is_place, value))
    if kind == "id":
        return not isinstance(value, list | dict)
    if isinstance(value, bool):  # which is an int in Python
        return kind in ("bool", "json")
    types = {"text": str, "integer": int, "number": int | float, "bool": bool, "json": object}
    return isinstance(value, types[kind])


def meaning(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a line says by the page: its type, and each field's value; no fields: it is ignored."""
    tag = fields.get("type")
    if not isinstance(tag, str) or tag not in GRAMMAR:
        return "", {}
    if tag in NEWER and HALF.search(json.dumps(fields, ensure_ascii=False)):
        return "", {}
    read = {}
    for field in GRAMMAR[tag]:
        if field.name in fields and fits(field.kind, fields[field.name]):
            read[field.name] = read_as(field.kind, fields[field.name])
        elif tag in NEWER and (field.name in fields or not field.optional):
            return "", {}
        elif field.name in fields or field.name == "peer_id":
            read[field.name] = otherwise(field, fields.get(field.name), fields)
        else:
            read[field.name] = field.default if field.optional else None
    return tag, read


def said_by(message: Message | Unknown) -> tuple[str, dict[str, Any]]:
    """The same of what the parser made of a line."""
    if isinstance(message, Unknown):
        return "", {}
    fields = {
        name: json.loads(bytes(value))
        if isinstance(value, Raw)
        else msgspec.to_builtins([*value])
        if isinstance(value, tuple | list)
        else value
        for name, value in msgspec.structs.asdict(message).items()
    }
    return tag_of(type(message)), fields


def no_json(word: str) -> object:
    raise ValueError(word)


def written_in(page: str) -> list[bytes]:
    """The messages that stand in full in docs/protocol.md, each as one line."""
    section = page.partition("### Every message, in full\n")[2].partition("\n#")[0]
    block = "\n".join(re.findall(r"^    (.*)$", section, re.M))
    return [each.encode() + b"\n" for each in block.replace("\n ", "").split("\n")]


class GrammarTests(SynchronousTestCase):
    def test_the_messages_in_full_are_what_is_written(self) -> None:
        lines = written_in((ROOT / "docs" / "protocol.md").read_text(encoding="utf-8"))
        messages = [decode(line) for line in lines]
        self.assertEqual(sorted(said_by(each)[0] for each in messages), sorted(KINDS))
        for line, message in zip(lines, messages, strict=True):
            assert not isinstance(message, Unknown), line
            self.assertEqual(encode(message), line)

    def test_the_page_lists_what_there_is(self) -> None:
        self.assertEqual(
            {tag: [field.name for field in fields] for tag, fields in GRAMMAR.items()},
            {tag: [*kind.__struct_fields__] for tag, kind in KINDS.items()},
        )
        kinds = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))
        used = {field.kind for fields in GRAMMAR.values() for field in fields}
        self.assertEqual(kinds, used)
        self.assertEqual(used, Writer(0).kinds)
        self.assertIn(f"{MAX_LINE:,} bytes", PAGE)

    def test_the_parser_takes_what_the_grammar_allows(self) -> None:
        writer = Writer(1)
        for _ in range(LINES):
            tag, fields = writer.message()
            line = writer.line({"type": tag, **fields})
            # Not only taken, but by the call that takes what is usual.
            message = codec._decode_typed(line)
            missing = {field.name: field.default for field in GRAMMAR[tag] if field.optional}
            self.assertEqual(said_by(message), (tag, missing | fields), line)
            self.assertEqual([*decode_each(line)], [message], line)
            self.assertIn(decode(encode(message)), [message])

    def test_what_the_grammar_does_not_allow_is_read_as_the_page_says(self) -> None:
        writer = Writer(2)
        refused = ignored = taken = 0
        for _ in range(LINES):
            line = writer.odd(*writer.message())
            try:
                fields = json.loads(line.decode(), parse_constant=no_json)
            except ValueError:
                fields = None
            if not isinstance(fields, dict):
                self.assertRaises(WireError, decode, line)
                refused += 1
                continue
            wanted = meaning(fields)
            self.assertEqual(said_by(decode(line)), wanted, line)
            taken, ignored = taken + bool(wanted[0]), ignored + (not wanted[0])
        # Each kind of line was among them, often.
        self.assertGreater(min(refused, ignored, taken), LINES // 20)

    def test_a_bad_line_is_none(self) -> None:
        for line in (b"\xef\xbb\xbf{}", b'{"type":NaN}', b"[]", b"7", b'{"a":"\xff"}', b"{}{}"):
            self.assertRaises(WireError, decode, line)
        self.assertEqual([*decode_each(b"\n \t\r\n")], [])
