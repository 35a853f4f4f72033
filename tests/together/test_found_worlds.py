"""Worlds in which something was wrong once, each as short as it could be made.

`python -m benchmarks.worlds --seed SEED --shrink` prints them as they stand here.
"""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.worlds.kind import Kind
from p2pchat.testing.worlds.world import World

WORLDS: Final = {
    "published before the past was known, and lost without a word when the node left": World(
        Kind(seed=3493334267, latency=(0.02, 0.08), plain=True, sleeps=(0, 25)),
        [("script", 51151), ("pass", 19550)],
    ),
    "a wall clock jumped by a year, and its node knew no repetition when it started again": World(
        Kind(seed=1179345568, nodes=7, latency=(0.02, 0.08), sleeps=(0, 0, 5, 10, 25)),
        [
            ("thread", 27142),
            ("thread", 84961),
            ("pass", 42213),
            ("request", 89859),
            ("request", 19419),
            ("pass", 15714),
            ("thread", 31461),
            ("jump", 12363),
            ("stop", 94324),
        ],
    ),
    "cancelled, and sent all the same after a kill": World(
        Kind(seed=3223319336, sleeps=(0, 25)),
        [
            ("thread", 19660),
            ("request", 90251),
            ("kill", 72365),
            ("pass", 52148),
            ("thread", 96251),
            ("cancel", 95790),
            ("kill", 1243),
        ],
    ),
    "published with a full disk, and lost without a word when the node left": World(
        Kind(seed=2669151446),
        [
            ("full", 67974),
            ("publish", 83432),
            ("stop", 77126),
            ("pass", 70193),
            ("thread", 4367),
            ("thread", 1537),
            ("pass", 83715),
            ("thread", 83200),
        ],
    ),
    "asked to forget, the disk did not answer, and neither did the node when it left": World(
        Kind(seed=3452211027, nodes=2),
        [("forget", 41367), ("thread", 53862), ("stop", 50921), ("long", 85277)],
    ),
    "read, though it was shown only when the last console had left": World(
        Kind(seed=333343183, latency=(0.0, 0.0), plain=True),
        [
            ("script", 99302),
            ("pass", 56201),
            ("script", 3709),
            ("pass", 49181),
            ("start", 68052),
            ("publish", 37469),
            ("script", 98883),
            ("pass", 20347),
        ],
    ),
    "it left, was blocked, came back, was no longer blocked, and neither dialed the other": World(
        Kind(seed=1823629971),
        [
            ("pass", 56530),
            ("thread", 99289),
            ("stop", 21406),
            ("pass", 42644),
            ("block", 83857),
            ("kill", 9119),
            ("start", 25116),
            ("pass", 80835),
        ],
    ),
    "published, then the clock jumped twice, and at the next start it was taken for old": World(
        Kind(seed=321538386, clocks=(0.0, 31536000.0, 0.0)),
        [("request", 41332), ("script", 60156), ("jump", 12171)],
    ),
    "two blocked each other at once, then neither did, and neither dialed the other": World(
        Kind(seed=2025339967, latency=(0.1, 0.9), cut=0.0),
        [
            ("pass", 42395),
            ("pass", 85576),
            ("pass", 31544),
            ("pass", 68598),
            ("block", 96513),
            ("block", 87412),
        ],
    ),
    # In these four the checks were wrong: what happened is as it must be.
    "cancelled, which was written, and killed before anybody could be told": World(
        Kind(seed=1377653855, nodes=2, plain=True),
        [
            ("send", 14760),
            ("thread", 83472),
            ("pass", 93899),
            ("thread", 67510),
            ("cancel", 164),
            ("kill", 29076),
        ],
    ),
    "asked for by a request, then all was cancelled, and killed before the answer": World(
        Kind(seed=1179577832, nodes=2),
        [
            ("request", 36010),
            ("thread", 94437),
            ("kill", 83343),
            ("pass", 94001),
            ("thread", 93559),
            ("cancel", 92726),
            ("kill", 24581),
        ],
    ),
    "forgot `alice 20`, and kept `alice 2`, behind which the file has the byte of a zero": World(
        Kind(seed=3000904218, nodes=4),
        [
            ("publish", 34274),
            ("send", 78372),
            ("request", 579),
            ("request", 618),
            ("send", 18368),
            ("send", 52557),
            ("send", 83016),
            ("publish", 68012),
            ("send", 8826),
            ("publish", 5365),
            ("send", 5050),
            ("forget", 54308),
        ],
    ),
    "asked whether to forget, the disk did not answer, and neither did the node": World(
        Kind(seed=3410562620, nodes=2, sleeps=(0, 25)),
        [("thread", 43401), ("forget", 9001), ("stop", 19902), ("pass", 72328)],
    ),
    "it was away, lost its power, and was away for the others when it was back": World(
        Kind(seed=3263399676, nodes=4, forgetful=(2, 3, 4)),
        [
            ("away", 65149),
            ("thread", 78260),
            ("pass", 18638),
            ("power", 245),
            ("thread", 46210),
        ],
    ),
    "told to leave, and went on with its script while the port was closed": World(
        Kind(seed=3585881514, nodes=2),
        [("pass", 14413), ("script", 14508), ("stop", 73899)],
    ),
    "a stranger spoke on two connections at once, and one was quicker": World(
        Kind(seed=2093701082, nodes=2, cut=0.6, sleeps=(0, 25)),
        [
            ("send", 32876),
            ("visit", 25595),
            ("pass", 17446),
            ("thread", 75162),
            ("visit", 39377),
            ("pass", 44806),
            ("visit", 44385),
            ("pass", 77250),
            ("thread", 79571),
            ("pass", 22415),
            ("thread", 61286),
            ("pass", 57904),
        ],
    ),
    "without a history, it waited behind one that was never acknowledged": World(
        Kind(seed=3157914796, latency=(0.1, 0.9), forgetful=(0, 1)),
        [
            ("visit", 26288),
            ("visit", 43370),
            ("script", 64611),
            ("pass", 5040),
            ("break", 65516),
            ("visit", 9114),
        ],
    ),
    "a damaged file was put aside while the disk was full": World(
        Kind(seed=4132006523, forgetful=(0, 1)),
        [
            ("pass", 35043),
            ("send", 78064),
            ("thread", 68022),
            ("pass", 26400),
            ("pass", 99377),
            ("thread", 41774),
            ("full", 18618),
            ("publish", 62792),
            ("pass", 92561),
            ("thread", 40967),
            ("tear", 33508),
            ("send", 48212),
            ("pass", 6143),
            ("thread", 57232),
        ],
    ),
    "a rendezvous that blocked who looked for a name was asked again": World(
        Kind(seed=301254937, nodes=2),
        [
            ("directory", 33330),
            ("send", 37619),
            ("pass", 5108),
            ("pass", 74059),
            ("directory", 51321),
            ("pass", 49895),
        ],
    ),
    "what found no room was put behind what was said later": World(
        Kind(seed=1454042437, nodes=4, narrow=True),
        [("burst", 908), ("send", 86151), ("pass", 49970)],
    ),
}


class FoundWorldTests(SynchronousTestCase):
    def test_nothing_is_wrong_in_them_any_more(self) -> None:
        found = {story: world.run().found for story, world in WORLDS.items()}
        self.flushLoggedErrors()  # they are among what was wrong
        self.assertEqual({story: wrong for story, wrong in found.items() if wrong}, {})
