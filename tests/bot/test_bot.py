"""A bot of `p2pchat.bot`: its node is real, in a fake network, and its loop is stepped by hand."""

from __future__ import annotations

import asyncio

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.bot.bot import Bot
from p2pchat.bot.message import Message, NotDelivered, Sent
from p2pchat.bot.senders import MOST_OF_ONE, MOST_SENDERS, Senders
from p2pchat.control.paths import ControlError
from p2pchat.testing.served_bot import ServedBot


class BotCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.bot = Bot(rate=1000, burst=1000)
        self.sent: list[Sent] = []
        self.came: list[Message] = []

    def place(self, *others: str, kept: bool = True, sealed: bool = False) -> ServedBot:
        place = ServedBot(self.bot, *others, kept=kept, sealed=sealed)
        self.addCleanup(place.close)
        return place

    def echo(self) -> None:
        @self.bot.on_message
        async def echo(message: Message) -> None:
            self.came.append(message)
            self.sent.append(await message.reply(message.text))


class BotTests(BotCase):
    def test_it_answers_and_hears_of_the_ack(self) -> None:
        self.echo()
        place = self.place()
        place.say("oi")
        self.assertEqual(place.heard(), ["bot: oi"])
        self.assertEqual(self.bot.peer_id, "bot@CIC")
        (sent,) = self.sent
        self.assertGreater(sent.seconds, 0)
        (message,) = self.came
        self.assertEqual((message.sender, message.to), ("alice@CIC", "bot@CIC"))
        self.assertEqual((message.security, message.is_direct), ("plain", True))

    def test_where_it_was_said(self) -> None:
        self.echo()
        place = self.place("carol@CIC")
        place.say("all", to="#CIC")
        self.assertEqual(place.heard("carol@CIC"), ["all", "bot: all"])
        self.assertEqual(self.sent[0].peers, 2)

    def test_commands(self) -> None:
        @self.bot.command("ping")
        async def ping(message: Message) -> None:
            """Answer pong, and the words.

            More is not shown.
            """
            await message.reply(" ".join(["pong", *message.words]))

        place = self.place()
        for said, heard in (
            ("!ping", ["bot: pong"]),
            ("  !ping a  b", ["bot: pong a b"]),
            ("!help", ["bot: !help  Say which commands there are.\n"
                       "!ping  Answer pong, and the words."]),
            ("!", []), ("!pin", []), ("ping", []), ("", []), ("\n", []),
        ):  # fmt: skip
            place.say(said)
            self.assertEqual(place.heard(), heard, said)

    def test_who_may_order_what(self) -> None:
        done: list[str] = []

        @self.bot.command("door", security="encrypted", only=("alice@CIC",))
        async def door(message: Message) -> None:
            """Open it."""
            done.append(message.security)

        place = self.place("eve@CIC")
        with self.assertLogs("p2pchat.bot", "WARNING"):
            place.say("!door")
        place.say("!help")
        self.assertNotIn("door", place.heard()[0])
        self.assertRaises(ValueError, self.bot.command, "x", security="perfect")
        self.assertEqual(done, [])
        place = ServedBot(self.bot, "eve@CIC", sealed=True)
        self.addCleanup(place.close)
        with self.assertLogs("p2pchat.bot", "WARNING"):
            place.say("!door", "eve@CIC", wait=3)
        self.assertEqual((done, place.heard("eve@CIC")), ([], []))
        place.say("!door", wait=3)
        self.assertEqual(done, ["encrypted"])

    def test_two_bots_do_not_talk_for_ever(self) -> None:
        self.echo()
        place = self.place()
        for text in ("bot: oi", "echo: bot: oi", "a: b: c: bot: oi"):
            place.say(text)
        self.assertEqual(place.heard(), [])
        place.say("robot: oi")
        self.assertEqual(place.heard(), ["bot: robot: oi"])

    def test_a_fault_ends_nothing(self) -> None:
        @self.bot.on_message
        async def fails(message: Message) -> None:
            raise ZeroDivisionError(message.text)

        place = self.place()
        with self.assertLogs("p2pchat.bot", "ERROR"):
            place.say("oi")
        place.say("!help")
        self.assertEqual(len(place.heard()), 1)

    def test_what_it_waits_for_is_cancelled_and_the_next_message_comes(self) -> None:
        @self.bot.on_message
        async def waits(message: Message) -> None:
            task = asyncio.ensure_future(asyncio.sleep(3))
            if message.text == "first":
                await asyncio.sleep(1)
                task.cancel()
            await task
            await message.reply("done")

        place = self.place()
        place.say("first", wait=0.1)
        with self.assertLogs("p2pchat.bot", "ERROR"):
            place.say("second", wait=6)
        self.assertEqual(place.heard(), ["bot: done"])

    def test_a_request_that_is_no_json_is_not_waited_for(self) -> None:
        @self.bot.on_message
        async def asks(_: Message) -> None:
            await self.bot.ask("status", text=b"oi")

        place = self.place()
        with self.assertLogs("p2pchat.bot", "ERROR"):
            place.say("oi")
        assert self.bot._connection is not None
        self.assertEqual(self.bot._connection._answers, {})

    def test_a_mark_that_begins_everything(self) -> None:
        self.assertRaises(ValueError, Bot, mark="")

    def test_one_after_the_other_for_each_sender(self) -> None:
        order: list[str] = []

        @self.bot.on_message
        async def slow(message: Message) -> None:
            order.append(f"{message.text} begins")
            await asyncio.sleep(3)
            order.append(f"{message.text} ends")

        place = self.place("carol@CIC")
        place.say("a1", wait=0.1)
        place.say("a2", wait=0.1)
        place.say("c1", "carol@CIC", wait=10)
        self.assertEqual(order.index("c1 begins"), 1)
        mine = [each for each in order if each.startswith("a")]
        self.assertEqual(mine, ["a1 begins", "a1 ends", "a2 begins", "a2 ends"])

    def test_what_does_not_arrive(self) -> None:
        told: list[NotDelivered] = []

        @self.bot.on_message
        async def answer(_: Message) -> None:
            try:
                await self.bot.send("zoe@CIC", "oi")
            except NotDelivered as why:
                told.append(why)

        place = self.place()
        place.say("oi", wait=3)
        self.assertTrue(told[0].later)
        self.assertIn("it is kept", str(told[0]))


class AwayTests(BotCase):
    def test_it_comes_back_with_its_node_and_has_missed_nothing(self) -> None:
        self.echo()
        place = self.place()
        place.say("one")
        place.stop_node()
        place.start_node()
        place.people["alice@CIC"].send("bot@CIC", "two")
        place.town.run(1)  # the bot has not looked yet
        place.run(8)
        place.say("three")
        self.assertEqual(sorted(place.heard()), ["bot: one", "bot: three", "bot: two"])
        self.assertEqual([message.text for message in self.came], ["one", "two", "three"])

    def test_a_node_that_keeps_nothing(self) -> None:
        self.echo()
        place = self.place(kept=False)
        place.restart()
        place.say("oi")
        self.assertEqual(place.heard(), ["bot: oi"])

    def test_what_it_waits_for_when_the_node_goes(self) -> None:
        told: list[str] = []

        @self.bot.on_message
        async def answer(message: Message) -> None:
            place.town.host_of(place.people["alice@CIC"]).unplug()
            try:
                await message.reply("never")
            except NotDelivered as why:
                told.append(str(why))

        place = self.place()
        place.say("oi", wait=0.2)
        place.stop_node()
        place.run(0.2)
        self.assertEqual(len(told), 1)

    def test_no_node_at_the_beginning(self) -> None:
        bot = Bot(control="/no/such/socket")
        with self.assertRaises(ControlError):
            asyncio.run(bot.start())

    def test_a_bot_that_does_not_run(self) -> None:
        with self.assertRaises(NotDelivered):
            asyncio.run(self.bot.send("x@CIC", "oi"))


class SendersTests(SynchronousTestCase):
    def test_a_flood_is_left_out_and_bounded(self) -> None:
        async def flood() -> Senders:
            dealt: list[str] = []

            async def deal_with(message: Message) -> None:
                dealt.append(message.text)
                await asyncio.sleep(0)

            senders = Senders(deal_with, rate=0.0, burst=5)
            bot = Bot()
            for number in range(50):
                senders.take(Message.of(bot, {"from": "eve@X", "text": f"{number}"}))
            self.assertEqual(senders.left_out, 45)
            for _ in range(20):
                await asyncio.sleep(0)
            self.assertEqual(dealt, [*"01234"])
            fast = Senders(deal_with, rate=1e9, burst=10**6)
            for number in range(MOST_SENDERS + 7):
                fast.take(Message.of(bot, {"from": f"{number}@X"}))
            self.assertEqual(fast.left_out, 7)
            for _ in range(MOST_OF_ONE + 9):
                fast.take(Message.of(bot, {"from": "1@X"}))
            self.assertEqual(fast.left_out, 7 + 10)
            fast.stop()
            return senders

        asyncio.run(flood())

    def test_odd_events(self) -> None:
        message = Message.of(Bot(), {"from": 7, "security": "perfect"})
        self.assertEqual((message.sender, message.text, message.security), ("7", "", "plain"))
