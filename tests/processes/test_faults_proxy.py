"""Two nodes over real sockets, through a proxy that does what bad networks do."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import (
    ConnectionSettings,
    LimitSettings,
    PeerSettings,
    Settings,
)
from p2pchat.testing.directory import StaticDirectory
from tests.support.chaos_proxy import ChaosProxy
from tests.support.conversation_account import Account

reactor: Any = _reactor


def new_keys(_peer_id: str) -> OwnKeys:
    return OwnKeys(fleeting_key(os.urandom).keys, KnownKeys(time.time))


class ProxyTests(TestCase):
    timeout = 60

    async def pair(
        self, *, sealed: bool = False, **chaos: Any
    ) -> tuple[ChatNode, ChatNode, ChaosProxy]:
        """Alice, who only knows the way through the proxy, and bob, behind it."""
        options: dict[str, Any] = {"make_keys": new_keys} if sealed else {}
        connection = ConnectionSettings(
            reconnect_backoff_max=0.1,
            max_reconnect_attempts=10_000,
            ping_interval=0.3,
            ack_timeout=2.0,
        )

        def settings(name: str) -> Settings:
            return Settings(
                peer=PeerSettings(name=name, namespace="CIC", port=0, interface="127.0.0.1"),
                connection=connection,
                limits=LimitSettings(peer_rate=0),
            )

        bob = ChatNode(reactor, settings("bob"), StaticDirectory(), **options)
        bob.startService()
        proxy = ChaosProxy(reactor, "127.0.0.1", bob.port, seed=7, **chaos)
        listening = reactor.listenTCP(0, proxy, interface="127.0.0.1")
        way = ("bob@CIC", "127.0.0.1", listening.getHost().port)
        alice = ChatNode(reactor, settings("alice"), StaticDirectory([way]), **options)
        alice.startService()

        async def end() -> None:
            await DeferredList([maybeDeferred(node.stopService) for node in (alice, bob)])
            await listening.stopListening()
            proxy.close()
            await self.until(lambda: not proxy.ends)
            await deferLater(reactor, 0.02)

        self.addCleanup(lambda: Deferred.fromCoroutine(end()))
        await self.until(lambda: self.linked(alice, bob))
        return alice, bob, proxy

    def linked(self, *nodes: ChatNode) -> bool:
        return all(node.peers.count_connected() == 1 for node in nodes)

    async def until(self, true: Any, seconds: float = 30) -> None:
        end = reactor.seconds() + seconds
        while not true():
            self.assertLess(reactor.seconds(), end, "did not happen")
            await deferLater(reactor, 0.01)

    async def talk(
        self,
        alice: ChatNode,
        bob: ChatNode,
        proxy: ChaosProxy,
        *,
        least: int,
        most: int,
        look: Callable[[], None] = lambda: None,
    ) -> Account:
        """Have both say at least so many messages in all; returns what became of them, checked.

        How many segments there are to cut depends on the machine: they go on until there were some,
        or they have said `most`. `look` is called now and then, while they are linked.
        """
        account = Account([alice, bob])
        chance = random.Random(7)
        said = 0
        while said < least or (proxy.cuts < 4 and said < most):
            for _ in range(25):
                account.say(chance.randrange(2), f"{said:06}")
                said += 1
            await deferLater(reactor, 0.015)
            if not self.linked(alice, bob):
                await self.until(lambda: self.linked(alice, bob))
            look()
        proxy.calm()
        await self.until(lambda: account.open == 0)
        await self.until(lambda: self.linked(alice, bob))
        account.check(self, "seed 7")
        return account

    async def test_encrypted_through_everything(self) -> None:
        """What is cut, delayed and joined on the way is no tampering."""
        alice, bob, proxy = await self.pair(sealed=True, cut=0.02, silence=0.004)

        def look() -> None:
            for link in (*alice.mesh.links, *bob.mesh.links):
                self.assertEqual(link.security, "encrypted")

        await self.talk(alice, bob, proxy, least=1500, most=20_000, look=look)
        for node in (alice, bob):
            self.assertEqual(node.mesh.link_log.remarks["tls"], 0)

    async def test_five_thousand_messages_through_everything(self) -> None:
        alice, bob, proxy = await self.pair(cut=0.02, silence=0.004)
        account = await self.talk(alice, bob, proxy, least=5000, most=50_000)
        self.assertGreaterEqual(proxy.cuts, 4)
        self.assertGreater(account.count("delivered"), 500)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_only_slow_and_in_pieces_loses_nothing(self) -> None:
        alice, bob, _ = await self.pair(cut=0.0, silence=0.0, delay=0.1)
        account = Account([alice, bob])
        for number in range(500):
            account.say(number % 2, f"{number:06}")
        await self.until(lambda: account.open == 0)
        account.check(self, "no cuts")
        self.assertEqual(account.count("delivered"), 500)
        self.assertEqual(alice.mesh.keepalive.ended, 0)

    async def test_a_proxy_that_goes_silent(self) -> None:
        alice, bob, proxy = await self.pair(cut=0.0, delay=0.0)
        account = Account([alice, bob])
        proxy.silence = 1.0
        account.say(0, "000001")
        await self.until(lambda: alice.mesh.keepalive.ended + bob.mesh.keepalive.ended >= 1)
        proxy.silence = 0.0
        await self.until(lambda: account.open == 0)
        proxy.calm()
        await self.until(lambda: self.linked(alice, bob))
        account.say(0, "000002")
        await self.until(lambda: account.open == 0)
        account.check(self, "silence")
        self.assertEqual(account.count("delivered"), 1)
