"""The stranger of the worlds: what a node does with each of its habits, and what it would find."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.worlds.account import Account
from p2pchat.testing.worlds.visitor import Habit, Visitor


class VisitorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(1)
        self.node = self.town.node("alice@CIC")
        self.visitor = Visitor(self.town.network.host("10.0.0.77"), "mallory@CIC", Account())

    def visit(self, habit: Habit) -> None:
        """It comes with this habit, and the node has time for it."""
        ip = self.town.host_of(self.node).ip
        self.visitor.visit(ip, "alice@CIC", [habit])
        self.town.run(1)

    def test_who_should_be_sent_away_is(self) -> None:
        for habit in (Habit.SILENT, Habit.NAMESAKE, Habit.BYE, Habit.JUNK):
            self.visit(habit)
        self.assertEqual(len([*self.visitor.overstayed()]), 1)  # the silent one has its time
        self.town.run(16)
        self.assertEqual([*self.visitor.overstayed()], [])

    def test_several_texts_of_one_id_are_all_shown(self) -> None:
        self.visit(Habit.SAME_ID)
        texts = [*self.visitor.world.by_text]
        self.assertEqual(len(texts), 3)
        self.assertEqual(self.town.seen(self.node).texts, texts)

    def test_what_is_for_another_is_not_shown(self) -> None:
        self.visit(Habit.FOR_ANOTHER)
        self.assertEqual(self.town.seen(self.node).texts, [])

    def test_it_leaves_but_for_those_that_a_node_ends(self) -> None:
        self.visit(Habit.CROWD)
        self.assertEqual(len(self.visitor.live), 16)
        self.visitor.part()
        self.town.run(1)
        self.assertEqual(self.visitor.live, [])
        self.visit(Habit.CROWD)
        self.assertEqual(self.visitor.live, [])

    def test_what_it_changes_of_others_is_a_message_of_its_own(self) -> None:
        world = self.visitor.world
        text = world.say("bob@CIC", "alice@CIC", "send")
        world.accepted(text, "his")
        world.shown("alice@CIC", text)
        self.visit(Habit.CHANGES)
        seen = self.town.seen(self.node)
        self.assertEqual((seen.texts, seen.changes), (["* mallory 2"], []))
