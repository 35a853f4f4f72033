"""Real programs that encrypt, seen from outside: what is on the wire, and who is let in.

All connections between the programs lead through proxies of the test, which record every byte: the
rendezvous here is one of the test, and lists a proxy for everybody who registers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks import kill_keys
from p2pchat.mesh.identity.key_text import fingerprint, read_key
from tests.support.foreign import ForeignPeer
from tests.support.processes import ProcessCase, Program, ScriptedServer, reactor
from tests.support.recording_proxy import RecordingProxy

SLOW: Final = 60
"""Seconds for programs that start while the machine does other things."""
TLS: Final = b"\x16"


class Directory(ScriptedServer):
    """A rendezvous that lists proxies; `proxies` are by name, the newest last."""

    def __init__(self) -> None:
        super().__init__(self._answered)
        self.proxies: dict[tuple[str, int], RecordingProxy] = {}
        self.listening = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.port = self.listening.getHost().port

    def _answered(self, line: bytes) -> bytes:
        asked = json.loads(line)
        if asked["type"] == "REGISTER":
            place = asked["name"], asked["port"]
            if place not in self.proxies:
                self.proxies[place] = RecordingProxy(asked["port"])
            answer: dict[str, Any] = {"status": "OK", "ttl": 7200, "ip": "127.0.0.1", "port": 1}
        elif asked["type"] == "UNREGISTER":
            answer = {"status": "OK"}
        else:
            answer = {"status": "OK", "peers": [self._entry(it) for it in self.proxies]}
        return json.dumps(answer).encode() + b"\n"

    def _entry(self, place: tuple[str, int]) -> dict[str, Any]:
        entry = {"ip": "127.0.0.1", "port": self.proxies[place].port, "name": place[0]}
        return {**entry, "namespace": "CIC", "ttl": 7200, "expires_in": 7200}

    @property
    def recorded(self) -> bytes:
        return b"".join(proxy.recorded for proxy in self.proxies.values())

    def forget(self) -> None:
        """What was recorded, and who was registered by now gone programs."""
        for proxy in self.proxies.values():
            proxy.recorded = b""
            proxy.sides.clear()

    async def close(self) -> None:
        await self.listening.stopListening()
        for proxy in self.proxies.values():
            await proxy.close()


class SiegeCase(ProcessCase):
    timeout = 300

    def setUp(self) -> None:
        super().setUp()
        self.directory = Directory()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.directory.close()))

    def person(self, name: str, *options: str, folder: str = "") -> Program:
        """A chat of this name; `folder` is another data folder than that of the others."""
        words = ["--namespace", "CIC", "--rendezvous", f"127.0.0.1:{self.directory.port}"]
        words += ["--discovery-interval", "1", "--control", "off", "--stay", *options]
        environ = {"XDG_DATA_HOME": str(self.folder.resolve() / folder)} if folder else {}
        return self.chat(name, *words, environ=environ)

    async def friends(self, *names: str) -> list[Program]:
        """Chats that have written to each other."""
        chats = [self.person(name) for name in names]
        for chat in chats:
            await self.port_of(chat)
        for one, name in zip(chats, names, strict=True):
            for other, to in zip(chats, names, strict=True):
                if one is not other:
                    await one.expect(rf"\[{to}@CIC\] is connected", seconds=SLOW)
                    one.say(f"/msg {to}@CIC hi from {name}")
                    await other.expect(rf"\[{name}@CIC[^\]]*\] hi from {name}", seconds=SLOW)
        return chats

    async def killed(self, chat: Program) -> None:
        chat.signal(signal.SIGKILL)
        await chat.ended

    async def pause(self, seconds: float) -> None:
        """Let something go wrong that must not happen."""
        await deferLater(reactor, seconds)

    def keys_of(self, name: str) -> dict[str, set[str]]:
        """The keys in the file of a chat that has ended, by name."""
        (path,) = self.folder.resolve().glob(f"data/**/{name}@CIC.keys")
        keys: dict[str, set[str]] = {}
        for text in path.read_text("utf-8").splitlines()[1:]:
            line = json.loads(text)
            if line["event"] != "refused":
                keys.setdefault(line["peer_id"], set()).add(line["key"])
        return keys


class WireTests(SiegeCase):
    async def test_two_who_know_each_other(self) -> None:
        """Neither a text, nor a name, nor HELLO is in the bytes between them."""
        alice, bob = await self.friends("alice", "bob")
        hellos = self.directory.recorded
        self.assertIn(b"HELLO", hellos)
        self.assertNotIn(b"hi from", hellos)
        self.directory.forget()
        for proxy in self.directory.proxies.values():
            proxy.cut()
        await self.killed(bob)
        bob = self.person("bob")
        alice.say("/msg bob@CIC olá outra vez")
        await bob.expect(r"\[alice@CIC[^\]]*\] olá outra vez", seconds=SLOW)
        bob.say("/msg alice@CIC e outra")
        await alice.expect(r"\[bob@CIC[^\]]*\] e outra", seconds=SLOW)
        recorded = self.directory.recorded
        self.assertGreater(len(recorded), 1000)
        for word in ("olá outra vez", "e outra", "alice", "bob", "CIC", "HELLO"):
            self.assertNotIn(word.encode(), recorded)
        began = [first for proxy in self.directory.proxies.values() for first in proxy.first]
        self.assertEqual({*began}, {TLS})

    async def test_a_room_with_programs_of_other_makes(self) -> None:
        """What those who encrypt say to each other is never in the clear, in any order of things;
        the others get what is theirs."""
        names = ("alice", "bob", "carol")
        chats = await self.friends(*names)
        foreign = [ForeignPeer(f"{name}@CIC") for name in ("dave", "erin", "frank")]
        for number, peer in enumerate(foreign):
            factory: Any = ClientFactory()
            factory.noisy = False
            factory.protocol = lambda peer=peer: peer
            for (name, _), proxy in self.directory.proxies.items():
                if name == names[number]:
                    reactor.connectTCP("127.0.0.1", proxy.port, factory)
            await peer.greeted
        for number, (chat, name) in enumerate(zip(chats, names, strict=True)):
            to = names[(number + 1) % 3]
            chat.say(f"/msg {to}@CIC only for {to}")
            await chats[(number + 1) % 3].expect(
                rf"\[{name}@CIC[^\]]*\] only for {to}", seconds=SLOW
            )
            chat.say(f"/msg {foreign[number].peer_id} in the clear")
            chat.say("/pub * for all")
            foreign[number].say(
                type="SEND", msg_id="1", src=foreign[number].peer_id, dst=f"{name}@CIC",
                payload="from another make", require_ack=False, ttl=1,
            )  # fmt: skip
            await chat.expect("from another make", seconds=SLOW)
        await self.pause(0.5)
        recorded = self.directory.recorded
        self.assertNotIn(b"only for", recorded)
        self.assertNotIn(b"hi from", recorded)
        for peer in foreign:
            self.assertIn(b"in the clear", peer.received)
            self.assertIn(b"for all", peer.received)
            assert peer.transport is not None
            peer.transport.loseConnection()
            await peer.closed


class ImpostorTests(SiegeCase):
    async def test_a_program_of_the_same_name_with_another_folder(self) -> None:
        """It is registered first, then later, and dials: what is for bob waits for bob."""
        alice, bob = await self.friends("alice", "bob")
        await self.killed(bob)
        await alice.expect(r"\[bob@CIC\] is disconnected", seconds=SLOW)
        mallory = self.person("bob", folder="mallory")
        await alice.expect("came with another key", seconds=SLOW)
        alice.say("/msg bob@CIC for bob alone")
        await alice.expect("queued: ", seconds=SLOW)
        await self.pause(2)
        self.assertNotIn("for bob alone", mallory.output)
        # Bob comes back while the impostor is still there, and was registered before him.
        bob = self.person("bob")
        await bob.expect(r"\[alice@CIC[^\]]*\] for bob alone", seconds=SLOW)
        await alice.expect(r"delivered to \[?bob@CIC", seconds=SLOW)
        self.assertNotIn("for bob alone", mallory.output)
        self.assertNotIn("hi from alice", mallory.output)
        self.assertNotIn(b"for bob alone", self.directory.recorded)
        # Once on the screen, and once in the log.
        self.assertLessEqual(alice.output.count("came with another key"), 2)
        # Alice starts again, and what is first to reach her is the impostor.
        await self.killed(alice)
        await self.killed(bob)
        alice = self.person("alice")
        await alice.expect("came with another key", seconds=SLOW)
        alice.say("/msg bob@CIC once more")
        bob = self.person("bob")
        await bob.expect(r"\[alice@CIC[^\]]*\] once more", seconds=SLOW)
        self.assertNotIn("once more", mallory.output)


class FileTests(SiegeCase):
    async def known(self) -> str:
        """Alice knows bob, and both have ended; the path of what she knows."""
        alice, bob = await self.friends("alice", "bob")
        for chat in (alice, bob):
            await self.killed(chat)
        (path,) = self.folder.resolve().glob("data/**/alice@CIC.keys")
        return str(path)

    async def test_a_kill_right_after_the_first_message_keeps_the_pin(self) -> None:
        await self.known()
        (bobs,) = self.folder.resolve().glob("data/**/bob@CIC.keys")
        own = json.loads(bobs.read_text("utf-8").splitlines()[0])["own"]
        self.assertEqual(self.keys_of("alice")["bob@CIC"], {own})
        self.assertRegex(fingerprint(read_key(own)), r"^\w{4}(-\w{4}){3}$")

    async def test_a_torn_end_loses_nothing_that_was_whole(self) -> None:
        path = await self.known()
        before = self.keys_of("alice")
        with open(path, "ab") as file:
            file.write(b'{"time":"2026-11-30T00:00:00Z","peer_id":"dora@C')
        mallory = self.person("bob", folder="mallory")
        alice = self.person("alice")
        await alice.expect("came with another key", seconds=SLOW)
        await self.killed(mallory)
        await self.killed(alice)
        self.assertEqual(self.keys_of("alice"), before)

    async def test_what_cannot_be_read_starts_nothing(self) -> None:
        """Never: nobody is known, so all are trusted."""
        path = await self.known()
        with open(path, "r+b") as file:
            data = file.read()
            file.seek(len(data) // 2)
            file.write(b"\0\xff\n")
        await self.starts_not()
        for make in (os.mkdir, os.mkfifo, lambda at: os.symlink("/dev/zero", at)):
            os.rename(path, f"{path}.{make}")
            make(path)  # nor can root read that
            await self.starts_not()

    async def starts_not(self) -> None:
        alice = self.person("alice")
        self.assertEqual(await alice.ended, 1)
        (sentence,) = [it for it in alice.output.splitlines() if "known keys" in it]
        self.assertIn("bring the file back from a copy", sentence)
        self.assertNotIn("Traceback", alice.output)

    async def test_a_disk_that_is_full(self) -> None:
        """What is known holds, the person is told, and what was whole stays."""
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True
        ).returncode:
            raise SkipTest("only root makes a small disk")
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)], check=True)
        known = disk / "keys"
        alice, bob = self.person("alice", "--known-keys", str(known)), self.person("bob")
        await alice.expect(r"\[bob@CIC\] is connected", seconds=SLOW)
        with contextlib.suppress(OSError), (disk / "much").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        whole = known.read_bytes()
        with contextlib.suppress(OSError), known.open("ab", buffering=0) as file:
            while True:  # and the rest of its last page
                file.write(b"\n")
        os.truncate(known, 4096)
        alice.say("/msg bob@CIC hi")
        await alice.expect("the known keys cannot be written to .* they hold until", seconds=SLOW)
        await bob.expect(r"\[alice@CIC[^\]]*\] hi", seconds=SLOW)
        await self.killed(bob)
        mallory = self.person("bob", folder="mallory")
        await alice.expect("came with another key", seconds=SLOW)
        await self.killed(mallory)
        (disk / "much").unlink()
        await alice.expect("the known keys are written to .* again", seconds=SLOW)
        alice.say("/quit")
        await alice.ended
        lines = [json.loads(it) for it in known.read_text("utf-8").split("\n") if it]
        self.assertEqual(known.read_bytes()[: len(whole)], whole)
        self.assertIn("bob@CIC", [it.get("peer_id") for it in lines])


class KillTests(SynchronousTestCase):
    def test_a_key_outlives_the_message_after_which_its_node_is_killed(self) -> None:
        """`python -m benchmarks.kill_keys` does it two hundred times."""
        self.assertEqual(kill_keys.main(["--kills", "3"]), 0)
