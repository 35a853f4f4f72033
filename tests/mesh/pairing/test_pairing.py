"""The runs of two nodes, without a network: each step, in whatever order, and what never comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.pairing import codes as codes_module
from p2pchat.mesh.pairing import pairing as pairing_module
from p2pchat.mesh.pairing.codes import (
    AN_HOUR,
    CODES_AN_HOUR,
    MOST_FAILED,
    MOST_NAMES,
    MOST_OPEN,
    VALID,
    Code,
)
from p2pchat.mesh.pairing.exchange import Exchange, Proofs
from p2pchat.mesh.pairing.pairing import (
    MOST_ASKED,
    STEP_WITHIN,
    Failed,
    Output,
    Paired,
    Pairing,
    Say,
    Step,
)
from p2pchat.mesh.pairing.words import NotPairedError, Why
from p2pchat.wire.messages import Pair

ALICE: Final = "alice@CIC"
BOB: Final = "bob@CIC"
KEYS: Final = {ALICE: b"a" * 32, BOB: b"b" * 32}
MALLORY: Final = b"m" * 32


class CheapExchange:
    """As `Exchange`, for nothing: it counts what would have been computed."""

    made = computed = 0

    def __init__(
        self, code: str, *, gives: bool, giver: bytes, taker: bytes, entropy: Callable[[int], bytes]
    ) -> None:
        CheapExchange.made += 1
        self.result = f"{code} {giver!r} {taker!r}"
        self.pake = f"{'A' if gives else 'B'} {entropy(1)!r}"
        self.starts = "B" if gives else "A"

    def proofs(self, theirs: str) -> Proofs | None:
        CheapExchange.computed += 1
        if not theirs.startswith(self.starts):
            return None
        return Proofs(f"giver {self.result}", f"taker {self.result}")


def numbered(prefix: str) -> Callable[[], str]:
    count = 0

    def new() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{count}"

    return new


def chance() -> Callable[[int], bytes]:
    count = 0

    def some(size: int) -> bytes:
        nonlocal count
        count += 1
        return count.to_bytes(size)

    return some


def cheap(case: SynchronousTestCase) -> None:
    CheapExchange.made = CheapExchange.computed = 0
    case.patch(codes_module, "Exchange", CheapExchange)
    case.patch(pairing_module, "Exchange", CheapExchange)
    case.patch(pairing_module, "same", lambda one, other: one == other)


class End:
    """The runs of a node that has one key on all of its links, and peers that have one."""

    def __init__(self, own: bytes, some: Callable[[int], bytes], new_id: Callable[[], str]) -> None:
        self.own = own
        self.runs = Pairing(some, new_id)
        self.codes, self.sweep = self.runs.codes, self.runs.sweep

    def give(self, peer_id: str, key: bytes, now: float) -> Code:
        return self.runs.give(peer_id, key, self.own, now)

    def take(self, peer_id: str, key: bytes, digits: str, now: float) -> Pair:
        return self.runs.take(peer_id, key, self.own, digits, now)

    def heard(self, peer_id: str, key: bytes, message: Pair, now: float) -> Step | None:
        return self.runs.heard(peer_id, key, self.own, message, now)

    def gone(self, peer_id: str) -> list[Output]:
        return self.runs.gone(peer_id, KEYS.get(peer_id, b""), self.own)


class RunsCase(SynchronousTestCase):
    """Alice gives, bob types; what they say is carried by hand."""

    def setUp(self) -> None:
        cheap(self)
        self.alice = End(KEYS[ALICE], chance(), numbered("a"))
        self.bob = End(KEYS[BOB], chance(), numbered("b"))
        self.now = 0.0

    def give(self) -> str:
        return self.alice.give(BOB, KEYS[BOB], self.now).digits

    def take(self, digits: str) -> Pair:
        return self.bob.take(ALICE, KEYS[ALICE], digits, self.now)

    def to_alice(self, message: Pair, key: bytes = KEYS[BOB], who: str = BOB) -> list[Output]:
        return self.heard(self.alice, who, key, message)

    def to_bob(self, message: Pair, key: bytes = KEYS[ALICE], who: str = ALICE) -> list[Output]:
        return self.heard(self.bob, who, key, message)

    def heard(self, here: End, who: str, key: bytes, message: Pair) -> list[Output]:
        step = here.heard(who, key, message, self.now)
        return [] if step is None else step()

    def said(self, outputs: list[Output]) -> Pair:
        (first, *_) = outputs
        assert isinstance(first, Say)
        return first.message

    def refusal(self, do: Callable[[], object]) -> str:
        with self.assertRaises(NotPairedError) as caught:
            do()
        return str(caught.exception)


class StepTests(RunsCase):
    def test_all_three(self) -> None:
        one = self.take(self.give())
        two = self.said(self.to_alice(one))
        last, paired_at_bob = self.to_bob(two)
        assert isinstance(last, Say)
        three = last.message
        self.assertEqual([it.step for it in (one, two, three)], [1, 2, 3])
        self.assertEqual({it.msg_id for it in (one, two, three)}, {one.msg_id})
        self.assertEqual(paired_at_bob, Paired(one.msg_id, ALICE, KEYS[ALICE], gave=False))
        self.assertEqual(self.to_alice(three), [Paired(one.msg_id, BOB, KEYS[BOB], gave=True)])
        self.assertFalse(self.alice.runs.under_way or self.bob.runs.under_way)

    def test_a_wrong_code(self) -> None:
        digits = self.give()
        wrong = "000000" if digits != "000000" else "000001"
        one = self.take(wrong)
        no, failed = self.to_bob(self.said(self.to_alice(one)))
        assert isinstance(no, Say)
        self.assertEqual(no.message, Pair(one.msg_id, 0, reason="failed"))
        self.assertEqual(failed, Failed(one.msg_id, ALICE, Why.FAILED, gave=False))
        self.assertEqual(
            self.to_alice(no.message), [Failed(one.msg_id, BOB, Why.FAILED, gave=True)]
        )
        self.assertIn("another code", self.refusal(lambda: self.take(wrong)))
        # The right one is used up, too.
        again = self.take(digits)
        answer = self.said(self.to_alice(again))
        self.assertEqual(answer, Pair(again.msg_id, 0, reason="used"))
        self.assertEqual(self.to_bob(answer), [Failed(again.msg_id, ALICE, Why.USED, gave=False)])

    def test_a_used_one(self) -> None:
        digits = self.give()
        self.to_alice(self.said(self.to_bob(self.said(self.to_alice(self.take(digits))))))
        answer = self.said(self.to_alice(self.take(digits)))
        self.assertEqual((answer.step, answer.reason), (0, "used"))

    def test_a_late_one(self) -> None:
        digits = self.give()
        self.now = VALID
        answer = self.said(self.to_alice(self.take(digits)))
        self.assertEqual((answer.step, answer.reason), (0, "late"))
        self.to_bob(answer)
        digits = self.give()
        self.now += VALID - 0.001
        self.assertEqual(self.said(self.to_alice(self.take(digits))).step, 2)

    def test_none_was_shown(self) -> None:
        one = self.take("123456")
        answer = self.said(self.to_alice(one))
        self.assertEqual(answer, Pair(one.msg_id, 0, reason="no code"))
        self.assertEqual(self.to_bob(answer), [Failed(one.msg_id, ALICE, Why.NO_CODE, gave=False)])
        self.take("123456")  # nobody has had a guess

    def test_others_neither_use_nor_end_it(self) -> None:
        digits = self.give()
        for who, key in ((BOB, MALLORY), ("carol@CIC", KEYS[BOB]), ("carol@CIC", MALLORY)):
            theirs = End(key, chance(), numbered("m")).take(ALICE, KEYS[ALICE], digits, 0.0)
            answer = self.said(self.to_alice(theirs, key, who))
            self.assertEqual(answer.step, 0)
        self.assertEqual(CheapExchange.computed, 0)
        self.assertEqual(self.said(self.to_alice(self.take(digits))).step, 2)

    def test_our_own_key_is_another_one_now(self) -> None:
        """The other end has seen the one before on the link before, and the new one on this."""
        digits = self.give()
        self.alice.own = MALLORY
        theirs = self.bob.take(ALICE, MALLORY, digits, self.now)
        answer = self.said(self.to_alice(theirs))
        self.assertEqual(answer.reason, "no code")
        self.assertEqual([*map(type, self.to_bob(answer, MALLORY))], [Failed])
        theirs = self.bob.take(ALICE, MALLORY, self.give(), self.now)
        last = self.said(self.to_bob(self.said(self.to_alice(theirs)), MALLORY))
        self.assertEqual(self.to_alice(last), [Paired(last.msg_id, BOB, KEYS[BOB], gave=True)])

    def test_the_link_before_ends_nothing_on_the_one_that_follows(self) -> None:
        one = self.take(self.give())
        self.to_alice(one)
        self.assertEqual(self.alice.runs.gone(BOB, KEYS[BOB], MALLORY), [])
        self.assertEqual(self.alice.runs.gone(BOB, MALLORY, KEYS[ALICE]), [])
        self.assertEqual(len(self.alice.gone(BOB)), 1)

    def test_the_link_s_key_is_another_one_now(self) -> None:
        before = self.give()
        after = self.alice.give(BOB, MALLORY, self.now).digits
        self.assertNotEqual(after, before)
        self.assertEqual(self.said(self.to_alice(self.take(before))).reason, "no code")

    def test_both_give_at_once(self) -> None:
        of_alice = self.give()
        of_bob = self.bob.give(ALICE, KEYS[ALICE], self.now).digits
        from_bob = self.take(of_alice)
        from_alice = self.alice.take(BOB, KEYS[BOB], of_bob, self.now)
        two_of_alice = self.said(self.to_alice(from_bob))
        two_of_bob = self.said(self.to_bob(from_alice))
        three_of_alice, paired = self.to_alice(two_of_bob)
        self.assertEqual(paired, Paired(from_alice.msg_id, BOB, KEYS[BOB], gave=False))
        three_of_bob, paired = self.to_bob(two_of_alice)
        self.assertEqual(paired, Paired(from_bob.msg_id, ALICE, KEYS[ALICE], gave=False))
        for here, three in ((self.to_bob, three_of_alice), (self.to_alice, three_of_bob)):
            assert isinstance(three, Say)
            (paired,) = here(three.message)
            assert isinstance(paired, Paired)
            self.assertTrue(paired.gave)


class StoppedTests(RunsCase):
    def test_no_step_2(self) -> None:
        one = self.take(self.give())
        self.now = STEP_WITHIN - 0.1
        self.assertEqual(self.bob.sweep(self.now), [])
        self.now = STEP_WITHIN
        self.assertEqual(
            self.bob.sweep(self.now), [Failed(one.msg_id, ALICE, Why.SILENT, gave=False)]
        )
        self.assertEqual(self.to_bob(Pair(one.msg_id, 2, pake="A")), [])

    def test_no_step_3(self) -> None:
        one = self.take(self.give())
        self.to_alice(one)
        self.now = STEP_WITHIN
        failed = Failed(one.msg_id, BOB, Why.SILENT, gave=True)
        self.assertEqual(self.alice.sweep(self.now), [failed])
        self.assertEqual(self.alice.sweep(self.now), [])
        self.bob.sweep(self.now)
        self.assertEqual(self.said(self.to_alice(self.take("123456"))).reason, "used")

    def test_the_link_ends(self) -> None:
        one = self.take(self.give())
        self.to_alice(one)
        self.assertEqual(self.alice.gone("carol@CIC"), [])
        self.assertEqual(self.alice.gone(BOB), [Failed(one.msg_id, BOB, Why.LOST, gave=True)])
        self.assertEqual(self.bob.gone(ALICE), [Failed(one.msg_id, ALICE, Why.LOST, gave=False)])

    def test_a_code_outlives_its_link(self) -> None:
        digits = self.give()
        self.alice.gone(BOB)
        self.assertEqual(self.said(self.to_alice(self.take(digits))).step, 2)

    def test_an_unknown_reason_is_none(self) -> None:
        for reason in ("", "\x1b[2J", "lost", "changed", "x" * 10_000):
            one = self.take("123456")
            (failed,) = self.to_bob(Pair(one.msg_id, 0, reason=reason))
            self.assertEqual(failed, Failed(one.msg_id, ALICE, Why.STOPPED, gave=False))


class OddTests(RunsCase):
    def test_nothing_is_computed_for_strangers(self) -> None:
        made = CheapExchange.made
        for step in (-1, 0, 1, 2, 3, 4, 10**20):
            for count in range(50):
                self.to_alice(Pair(f"x{count}", step, "B", "taker"), MALLORY, f"m{count}@CIC")
        self.assertEqual((CheapExchange.made, CheapExchange.computed), (made, 0))
        self.assertFalse(self.alice.runs.under_way)

    def test_one_run_is_computed_once(self) -> None:
        one = self.take(self.give())
        for _ in range(10):
            self.to_alice(one)
        self.assertEqual(CheapExchange.computed, 1)
        two = Pair(one.msg_id, 2, "A", "giver of somebody")
        for _ in range(10):
            self.to_bob(two)
        self.assertEqual(CheapExchange.computed, 2)

    def test_a_step_that_has_come_counts_before_it_is_computed(self) -> None:
        one = self.take(self.give())
        first = self.alice.heard(BOB, KEYS[BOB], one, self.now)
        second = self.alice.heard(BOB, KEYS[BOB], one, self.now)
        assert first is not None
        assert second is not None
        self.assertEqual(self.said(second()).reason, "used")
        self.assertEqual(self.said(first()).step, 2)

    def test_others_end_no_run(self) -> None:
        one = self.take(self.give())
        two = self.said(self.to_alice(one))
        for who, key in ((ALICE, MALLORY), ("carol@CIC", KEYS[ALICE])):
            for line in (two, Pair(one.msg_id, 0, reason="failed")):
                self.assertEqual(self.to_bob(line, key, who), [])
        last, _ = self.to_bob(two)
        assert isinstance(last, Say)
        for who, key in ((BOB, MALLORY), ("carol@CIC", KEYS[BOB])):
            for line in (last.message, Pair(one.msg_id, 0, reason="failed")):
                self.assertEqual(self.to_alice(line, key, who), [])
        self.assertEqual(
            self.to_alice(last.message), [Paired(one.msg_id, BOB, KEYS[BOB], gave=True)]
        )

    def test_a_wrong_proof_at_the_end(self) -> None:
        for proof in ("", "taker of somebody", "giver"):
            self.now += AN_HOUR
            one = self.take(self.give())
            two = self.said(self.to_alice(one))
            last = Pair(one.msg_id, 3, proof=proof or two.proof)
            failed = Failed(one.msg_id, BOB, Why.FAILED, gave=True)
            self.assertEqual(self.to_alice(last), [failed])
            self.bob.gone(ALICE)

    def test_ids_that_are_none(self) -> None:
        self.give()
        for msg_id in ("", " ", "é", "x" * 200, "\x1b", "a\\b"):
            self.assertEqual(self.to_alice(Pair(msg_id, 1, "B")), [])

    def test_an_id_that_is_in_use(self) -> None:
        one = self.take(self.give())
        self.to_alice(one)
        self.give()
        self.assertEqual(self.to_alice(one), [], "the second code is not used by it")
        self.assertTrue(self.alice.codes.is_open(BOB, KEYS[BOB], KEYS[ALICE], self.now))

    def test_what_is_no_element(self) -> None:
        self.give()
        no, failed = self.to_alice(Pair("x", 1, "nonsense"))
        self.assertEqual(self.said([no]), Pair("x", 0, reason="failed"))
        self.assertEqual(failed, Failed("x", BOB, Why.FAILED, gave=True))
        self.assertFalse(self.alice.codes.is_open(BOB, KEYS[BOB], KEYS[ALICE], self.now))
        one = self.take("123456")
        _, failed = self.to_bob(Pair(one.msg_id, 2, "nonsense", "proof"))
        self.assertEqual(failed, Failed(one.msg_id, ALICE, Why.FAILED, gave=False))

    def test_an_end_said_before_a_guess_is_a_failure_too(self) -> None:
        one = self.take("123456")
        self.to_bob(Pair(one.msg_id, 0, reason="failed"))
        self.refusal(lambda: self.take("123456"))


class LimitTests(RunsCase):
    def test_one_code_at_a_time(self) -> None:
        self.assertEqual(self.give(), self.give())

    def test_three_an_hour(self) -> None:
        for count in range(CODES_AN_HOUR):
            self.now = 60.0 * count
            self.to_alice(self.take(self.give()))
            self.bob.gone(ALICE)
        self.assertIn("another one in 58 minutes", self.refusal(self.give))
        self.alice.give("carol@CIC", MALLORY, self.now)
        self.now = AN_HOUR
        self.give()
        self.to_alice(self.take("123456"))
        self.assertIn("another one in 1 minute.", self.refusal(self.give))

    def test_so_many_in_all(self) -> None:
        for count in range(MOST_OPEN):
            self.alice.give(f"p{count}@CIC", MALLORY, 0.0)
        self.assertIn("20 codes are open", self.refusal(self.give))
        self.alice.give("p0@CIC", KEYS[ALICE], 0.0)  # in the place of its own
        self.now = VALID
        self.give()

    def test_one_under_way_for_each_and_few_in_all(self) -> None:
        self.take("123456")
        self.assertIn("under way", self.refusal(lambda: self.take("654321")))
        for count in range(MOST_ASKED - 1):
            self.bob.take(f"p{count}@CIC", MALLORY, "123456", 0.0)
        self.assertIn("5 pairings", self.refusal(lambda: self.bob.take("q@CIC", MALLORY, "1", 0)))

    def test_what_is_remembered_has_an_end(self) -> None:
        codes = self.bob.codes
        for count in range(MOST_FAILED + 1):
            codes.failed(ALICE, f"{count:06}")
        self.assertFalse(codes.has_failed(ALICE, "000000"))
        self.assertTrue(codes.has_failed(ALICE, "000001"))
        for count in range(MOST_NAMES):
            codes.failed(f"p{count}@CIC", "1")
        self.assertFalse(codes.has_failed(ALICE, "000001"))

    def test_digits_are_even(self) -> None:
        counts = [0] * 10
        for count in range(300):
            digits = codes_module.Codes(Hashed(count)).give("x@y", b"", b"", 0.0).digits
            self.assertRegex(digits, r"\A[0-9]{6}\Z")
            for digit in digits:
                counts[int(digit)] += 1
        self.assertGreater(min(counts), 120)


class Hashed:
    """Random bytes, the same in each run of the test."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, size: int) -> bytes:
        return sha256(b"%d" % self.count).digest()[:size]


# ---------------------------------------------------------------- in any order


class AnyOrder(RuleBasedStateMachine):
    """Two honest ends, and somebody who delays, repeats, mixes up, drops and invents lines."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.ends = {name: End(key, chance(), numbered(name[0])) for name, key in KEYS.items()}
        self.lines: list[tuple[str, str, Pair]] = []
        self.shown: dict[str, set[str]] = {ALICE: set(), BOB: set()}
        self.typed: dict[str, str] = {}
        self.paired: list[tuple[str, Paired]] = []
        # How often: a peer may begin with a new code under an id that it used before.
        self.over: Counter[tuple[str, str, bool]] = Counter()
        self.begun: Counter[tuple[str, str, bool]] = Counter()

    def do(self, here: str, outputs: list[Output]) -> None:
        for it in outputs:
            if isinstance(it, Say):
                self.lines.append((here, other(here), it.message))
                if it.message.step == 2:
                    self.begun[here, it.message.msg_id, True] += 1
                continue
            run = (here, it.run, it.gave)
            self.over[run] += 1
            if isinstance(it, Failed) and it.gave and it.why is Why.FAILED:
                self.begun[run] = max(self.begun[run], self.over[run])  # step 1 was nonsense
            assert self.over[run] <= self.begun[run], "told twice"
            if isinstance(it, Paired):
                self.paired.append((here, it))

    @rule(here=st.sampled_from([ALICE, BOB]))
    def give(self, here: str) -> None:
        try:
            code = self.ends[here].give(other(here), KEYS[other(here)], self.now)
        except NotPairedError:
            return
        self.shown[here].add(code.digits)

    @rule(here=st.sampled_from([ALICE, BOB]), right=st.booleans(), pick=st.integers(0, 5))
    def take(self, here: str, right: bool, pick: int) -> None:
        shown = sorted(self.shown[other(here)])
        digits = shown[pick % len(shown)] if right and shown else f"99999{pick}"
        try:
            line = self.ends[here].take(other(here), KEYS[other(here)], digits, self.now)
        except NotPairedError:
            return
        self.typed[line.msg_id] = digits
        self.begun[here, line.msg_id, False] += 1
        self.lines.append((here, other(here), line))

    @rule(pick=st.integers(0, 50), keep=st.booleans(), turned=st.booleans())
    def carry(self, pick: int, keep: bool, turned: bool) -> None:
        if not self.lines:
            return
        at = pick % len(self.lines)
        sender, there, line = self.lines[at] if keep else self.lines.pop(at)
        if turned:
            sender, there = there, sender
        step = self.ends[there].heard(sender, KEYS[sender], line, self.now)
        if step is not None:
            self.do(there, step())

    @rule(
        there=st.sampled_from([ALICE, BOB]),
        step=st.integers(0, 4),
        key=st.sampled_from([MALLORY, KEYS[ALICE], KEYS[BOB]]),
        run=st.sampled_from(["a1", "b1", "a2", "b2", "m"]),
    )
    def invent(self, there: str, step: int, key: bytes, run: str) -> None:
        if key == KEYS[other(there)]:
            return  # nobody has the key of the other end
        heard = self.ends[there].heard(other(there), key, Pair(run, step, "B", "x"), self.now)
        if heard is not None:
            self.do(there, heard())

    @rule(seconds=st.sampled_from([0.1, 5.0, 11.0, 300.0, 700.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for here, end in self.ends.items():
            self.do(here, end.sweep(self.now))

    @rule(here=st.sampled_from([ALICE, BOB]))
    def lose(self, here: str) -> None:
        self.do(here, self.ends[here].gone(other(here)))

    @invariant()
    def who_is_paired_has_the_code(self) -> None:
        for here, it in self.paired:
            giver = here if it.gave else other(here)
            assert self.typed[it.run] in self.shown[giver]
            assert it.key == KEYS[other(here)]

    @invariant()
    def a_giver_is_never_alone(self) -> None:
        """It hears of step 3 only if the taker was sure before."""
        sure = {it.run for here, it in self.paired if not it.gave}
        assert {it.run for here, it in self.paired if it.gave} <= sure

    def teardown(self) -> None:
        self.wait(STEP_WITHIN)
        assert not any(end.runs.under_way for end in self.ends.values())
        assert self.begun == self.over, "somebody was told nothing"


def other(name: str) -> str:
    return BOB if name == ALICE else ALICE


class AnyOrderTests(SynchronousTestCase):
    def test_any_order(self) -> None:
        cheap(self)
        run_state_machine_as_test(
            AnyOrder,
            settings=settings(max_examples=60, stateful_step_count=30, deadline=None),
        )

    def test_the_real_exchange_has_the_same_form(self) -> None:
        real = Exchange("1", gives=True, giver=b"", taker=b"", entropy=lambda n: b"x" * n)
        self.assertIsInstance(real.pake, str)
        self.assertIsNone(real.proofs(""))
