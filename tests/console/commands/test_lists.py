"""What the person decides about others: /ignore, /mute, /alias, /bell, /notify, /whois, /away."""

from __future__ import annotations

from p2pchat.console.replies import Reply
from p2pchat.node.own_lists import MOST, Decided, ListError, OwnLists
from p2pchat.wire.messages import Send
from tests.support.typed_commands import CommandCase

KEEPS_NOTHING = "it holds until this program ends: this node keeps nothing"


class ListCommandTests(CommandCase):
    def first(self, line: str) -> str:
        return self.reply(line).lines[0]

    def test_ignoring(self) -> None:
        self.node.meets("eva@CIC")
        self.assertEqual(self.first("/ignores"), "nobody is ignored")
        lines = self.reply("/ignore eva").lines
        self.assertEqual(lines[0][:22], "[eva@CIC] is ignored: ")
        self.assertEqual(lines[1], KEEPS_NOTHING)
        self.assertEqual([*self.node.lists.ignored], ["eva@CIC"])
        self.assertEqual(self.first("/ignore"), "[eva@CIC]")
        self.assertEqual(self.first("/unignore eva"), "[eva@CIC] is not ignored any more")
        for line, why in (
            ("/ignore ana@CIC", "that is yourself"),
            ("/ignore evo", "no such peer: [evo]: did you mean [eva@CIC]?"),
            ("/ignore xyz", "no such peer: [xyz] (/peers lists them)"),
            ("/ignore @", "the name in [@] must have 1 to 64 characters"),
            ("/unignore eva", "[eva@CIC] is not ignored"),
        ):
            self.assertEqual((self.first(line), self.reply(line).ok), (why, False))
        self.assertUsage("/unignore")

    def test_nothing_is_unread_of_whom_one_ignores(self) -> None:
        self.node.meets("eva@CIC")
        (peer,) = self.node.peers.connected()
        unread = self.node.unread
        unread.leave(self)
        self.node.observers.received(peer, [Send("1", "eva@CIC", "ana@CIC", "oi")])
        self.assertEqual(unread.of("eva@CIC"), 1)
        self.reply("/ignore eva")
        self.assertEqual(unread.of("eva@CIC"), 0)

    def test_what_is_mute(self) -> None:
        self.node.meets("eva@CIC")
        self.assertEqual(self.first("/mute #CIC"), "[#CIC] rings no bell (/unmute)")
        self.assertRegex(self.first("/mute eva 2h"), r"^\[eva@CIC\] rings no bell until .*:\d\d ")
        lists, now = self.node.lists, self.node.wall()
        self.assertTrue(lists.is_muted("eva@CIC", now + 7199))
        self.assertFalse(lists.is_muted("eva@CIC", now + 7201))
        self.assertTrue(lists.is_muted("#CIC", now + 1e9))
        self.assertEqual(len(self.reply("/mute").lines), 2)
        self.assertEqual(self.first("/unmute #CIC"), "[#CIC] is not muted any more")
        self.assertEqual(self.first("/unmute #CIC"), "[#CIC] is not muted")
        self.assertFalse(self.reply("/mute #" + "x" * 65).ok)

    def test_an_alias_is_a_name_everywhere(self) -> None:
        link = self.node.meets("bob@CIC")
        self.assertEqual(self.first("/alias mum bob"), "[mum] is [bob@CIC]")
        self.assertEqual(self.first("/msg mum hi"), "[mum] is [bob@CIC]")
        self.assertEqual(link.chat[-1].payload, "hi")
        self.assertEqual(self.first("/alias"), "[mum] is [bob@CIC]")
        self.assertIn("whom you call [mum]", self.first("/whois mum"))
        self.reply("/alias mutti bob")
        self.assertEqual(self.reply("/alias").lines, ["[mutti] is [bob@CIC]"])
        self.assertEqual(self.first("/unalias mutti"), "nobody is called [mutti] any more")

    def test_what_cannot_be_an_alias(self) -> None:
        self.node.meets("bob@CIC")
        self.node.meets("carol@CIC")
        for name, why in (
            ("eva@CIC", "cannot be an alias"),
            ("#CIC", "cannot be an alias"),
            ("17", "cannot be an alias"),
            ("all", "cannot be an alias"),
            ("x" * 65, "cannot be an alias"),
            ("b\u202eo", "cannot be an alias"),
            ("carol", "would be taken for [carol@CIC]"),
            ("CAROL", "would be taken for [carol@CIC]"),
            ("carоl", "would be taken for [carol@CIC]"),  # which it is about
            ("ana", "would be taken for [ana@CIC]"),
        ):
            reply = self.reply(f"/alias {name} bob")
            self.assertIn(why, reply.lines[0])
            self.assertFalse(reply.ok)
        self.assertEqual(self.node.lists.aliases, {})
        self.assertTrue(self.reply("/alias bob bob").ok)

    def test_lists_are_bounded(self) -> None:
        decided = Decided(
            [f"n{number}@CIC" for number in range(10_000)],
            {f"n{number}@CIC": 0.0 for number in range(10_000)},
            {f"x{number}": f"n{number}@CIC" for number in range(10_000)},
        )
        lists = OwnLists(decided)
        self.assertEqual([len(lists.ignored), len(lists.muted), len(lists.aliases)], [MOST] * 3)
        self.assertRaises(ListError, lists.ignore, "one@more")
        self.assertRaises(ListError, lists.mute, "one@more", 0.0)
        self.assertRaises(ListError, lists.alias, "more", "one@more", ())
        lists.unignore("n1@CIC", 0.0)
        lists.ignore("one@more")

    def test_bell_and_notifications(self) -> None:
        self.assertEqual(self.first("/bell"), "the bell is on")
        self.assertEqual(self.first("/bell off"), "the bell is off")
        self.assertIs(self.node.lists.bell, False)
        self.assertEqual(self.first("/notify"), "notifications are off")
        self.assertEqual(self.first("/notify ON"), "notifications are on")
        self.assertUsage("/bell loud")

    def test_being_away(self) -> None:
        link = self.node.meets("bob@CIC")
        link.shared = frozenset({"away"})
        other = self.node.meets("old@CIC")
        self.assertEqual(self.first("/away"), "you are here")
        self.assertEqual(self.first("/away lunch\x1b[2J"), "you are away: lunch\\x1b[2J (/back)")
        self.assertEqual(self.first("/back"), "you are back")
        self.assertEqual([each.get("text") for each in link.messages], ["lunch\\x1b[2J", ""])
        self.assertEqual(other.messages, [])
        self.assertFalse(self.reply(f"/away {'x' * 81}").ok)

    def test_words_of_other_chats(self) -> None:
        for word in ("/exit", "/bye", "/q"):
            self.assertEqual(self.reply(word), Reply(leave=True))
        for word, ours in (
            ("/join #x", "/pub"),
            ("/nick x", "--name"),
            ("/who", "/peers"),
            ("/names", "/peers"),
            ("/msg #room hi", "/pub #room TEXT"),
        ):
            reply = self.reply(word)
            self.assertEqual((len(reply.lines), reply.ok), (1, False))
            self.assertIn(ours, reply.lines[0])

    def test_names_in_other_capitals_and_near_misses(self) -> None:
        link = self.node.meets("anna@UnB")
        self.assertEqual(self.first("/msg ANNA hi"), "[ANNA] is [anna@UnB]")
        self.assertEqual(link.chat[-1].payload, "hi")
        self.assertIn("did you mean [anna@UnB]?", self.first("/msg hanna hi"))
        self.node.meets("Anna@CIC")
        self.assertIn("may be any of [Anna@CIC], [anna@UnB]", self.first("/msg aNNA hi"))


class ChangeCommandTests(CommandCase):
    def test_edit_goes_to_whom_one_wrote_last(self) -> None:
        self.assertIn("nothing to change", self.reply("/edit hello").lines[0])
        old, new = self.node.meets("old@CIC"), self.node.meets("bob@CIC")
        new.shared = frozenset({"edit"})
        self.reply("/msg bob helo")
        first = new.messages[-1]["msg_id"]
        self.assertEqual(self.reply("/edit hello").lines, ["changed, for [bob@CIC]"])
        change = new.messages[-1]
        self.assertEqual(
            (change["type"], change["of"], change["payload"]), ("EDIT", first, "hello")
        )
        self.reply("/edit hullo")
        self.assertEqual(new.messages[-1]["of"], first)
        self.reply("/msg old helo")
        self.reply("/edit hello")
        self.assertEqual(old.messages[-1]["payload"], "* hello")
        self.reply("/pub #CIC x")
        self.assertEqual(self.reply("/edit y").lines, ["changed, for 2 peers"])
        self.assertEqual((old.messages[-1]["payload"], new.messages[-1]["payload"]), ("* y", "y"))
        self.assertUsage("/edit")

    def test_me(self) -> None:
        self.assertFalse(self.reply("/me waves").ok)
        link = self.node.meets("bob@CIC")
        self.reply("/msg bob hi")
        self.reply("/me waves")
        self.assertEqual(link.chat[-1].payload, "* ana waves")
        self.assertUsage("/me")
