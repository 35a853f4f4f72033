"""Friends: who is one, and whose name looks like one's."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire import friends as module
from p2pchat.wire.friends import Friends
from p2pchat.wire.names import skeleton

NAMES = ("bob@k", "b0b@k", "BOB@k", "eva@k", "ev\u0430@k")


class FriendsTests(SynchronousTestCase):
    def test_whoever_we_wrote_to(self) -> None:
        friends = Friends()
        friends.wrote_to("bob@k", "eva@k", "bob@k")
        friends.forget("eva@k")
        friends.forget("ana@k")
        self.assertEqual(("bob@k" in friends, "eva@k" in friends, len(friends)), (True, False, 1))

    def test_the_oldest_go(self) -> None:
        self.patch(module, "MOST", 3)
        friends = Friends()
        friends.wrote_to("a@k", "b@k", "c@k", "d@k")
        self.assertEqual([*friends.known], ["b@k", "c@k", "d@k"])
        self.assertEqual((friends.taken_for("A@k"), friends.taken_for("B@k")), ("", "b@k"))
        friends.wrote_to("e@k")
        self.assertEqual(friends.taken_for("B@k"), "")


class TakenForTests(SynchronousTestCase):
    def test_a_stranger_who_looks_like_a_friend(self) -> None:
        friends = Friends()
        friends.wrote_to("bob@k")
        for name, taken_for in (("b0b@k", "bob@k"), ("bob@k", ""), ("bab@k", ""), ("b0b@l", "")):
            self.assertEqual(friends.taken_for(name), taken_for, name)
        friends.wrote_to("b0b@k")
        self.assertEqual(friends.taken_for("b0b@k"), "")

    def test_without_friends_no_name_is_looked_at(self) -> None:
        skeleton.cache_clear()
        self.assertEqual(Friends().taken_for("stranger@k"), "")
        self.assertEqual(skeleton.cache_info().currsize, 0)

    def test_many_friends_are_looked_at_a_few_at_a_time(self) -> None:
        friends = Friends()
        friends.wrote_to(*(f"friend {n:04}@k" for n in range(1000)))
        asked = next(n for n in count(1) if friends.taken_for("FRIEND 0999@k"))
        self.assertEqual(asked, 10)

    @given(st.lists(st.tuples(st.sampled_from("+-?"), st.sampled_from(NAMES)), max_size=40))
    def test_against_looking_at_all_of_them(self, events: list[tuple[str, str]]) -> None:
        friends = Friends()
        for what, name in events:
            if what == "+":
                friends.wrote_to(name)
            elif what == "-":
                friends.forget(name)
            else:
                alike = [each for each in friends.known if skeleton(each) == skeleton(name)]
                if name in friends or not alike:
                    alike = [""]
                self.assertIn(friends.taken_for(name), alike)
