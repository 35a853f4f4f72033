"""The snapshot of all counters and limits."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.table import Commands
from p2pchat.console.replies import Reply
from p2pchat.node.figures import statistics
from p2pchat.node.stats import Figure, Section, Statistics, gauge, limit, lines, text
from tests.support.control_sockets import ControlledTown


class NodeFigureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = ControlledTown()
        self.addCleanup(self.place.close)

    def test_every_figure_has_a_value_and_a_meaning(self) -> None:
        for section in statistics(self.place.alice).sections:
            self.assertEqual([*section.read()], [*section.figures], section.name)
            for name, figure in section.figures.items():
                self.assertTrue(figure.help, f"{section.name}.{name}")

    def test_the_figures_tell_the_truth(self) -> None:
        place = self.place
        place.bob.send("alice@CIC", "one")
        place.alice.send("bob@CIC", "two")
        place.town.run(0.5)
        found = statistics(place.alice).snapshot()
        self.assertEqual(found["program"]["peer_id"], "alice@CIC")
        self.assertEqual(found["program"]["port"], 4000)
        self.assertEqual(found["links"]["open"], 1)
        self.assertEqual(found["links"]["connections_limit"], 10_000)
        self.assertEqual(found["peers"]["known"], 1)
        self.assertEqual(found["peers"]["connected"], 1)
        self.assertEqual(found["messages"]["pending_acks"], 0)
        for name in ("sent", "delivered", "received"):
            self.assertEqual(found["messages"][name], 1, name)
        self.assertEqual(found["rendezvous"]["registered"], 1)
        self.assertEqual(found["control"]["clients"], 0)
        self.assertNotIn("history", found, "nothing is kept")
        self.assertGreater(float(found["program"]["peak_memory_bytes"] or 0), 1_000_000)
        before = found["program"]["uptime_seconds"]
        place.town.run(10)
        after = statistics(place.alice).snapshot()["program"]["uptime_seconds"]
        self.assertAlmostEqual(float(after or 0) - float(before or 0), 10, places=1)
        registered = float(
            statistics(place.alice).snapshot()["rendezvous"]["registered_seconds"] or 0
        )
        self.assertGreater(registered, 10, "renewing is no break")
        self.assertLessEqual(registered, float(after or 0))
        memory = float(found["program"]["resident_memory_bytes"] or 0)
        self.assertTrue(1_000_000 < memory < 100_000_000_000, memory)
        self.assertGreater(float(found["program"]["descriptors"] or 0), 2)

    def test_it_is_json(self) -> None:
        found = statistics(self.place.alice).snapshot()
        self.assertEqual(json.loads(json.dumps(found)), found)


class SecurityFigureTests(SynchronousTestCase):
    """What is counted of encryption and keys."""

    def test_with_keys(self) -> None:
        place = ControlledTown("carol@CIC", sealed=True)
        self.addCleanup(place.close)
        alice, bob = place.alice, place.bob
        assert alice.trusting is not None
        assert bob.trusting is not None
        found = statistics(alice).snapshot()["security"]
        self.assertEqual((found["links_encrypted"], found["links_plain"]), (1, 1))
        self.assertGreaterEqual(int(found["handshakes"] or 0), 1)
        self.assertEqual((found["keys_known"], found["keys_light"]), (1, 1))
        alice.trusting.verify("bob@CIC", bob.trusting.own_fingerprint)
        found = statistics(alice).snapshot()["security"]
        self.assertEqual((found["links_encrypted"], found["links_verified"]), (0, 1))
        self.assertEqual((found["keys_known"], found["keys_light"]), (1, 0))
        self.assertEqual((found["keys_refused"], found["handshakes_failed"]), (0, 0))
        impostor = place.town.node("bob@CIC", ip="10.0.0.66")
        place.town.run(20)
        found = statistics(alice).snapshot()["security"]
        self.assertGreaterEqual(int(found["keys_refused"] or 0), 1)
        self.assertEqual(found["alerts"], 1)
        self.assertEqual(place.town.links(impostor).get("alice@CIC", 0), 0)

    def test_without(self) -> None:
        place = ControlledTown()
        self.addCleanup(place.close)
        found = statistics(place.alice).snapshot()["security"]
        self.assertEqual({name for name, value in found.items() if value}, {"links_plain"})


class CommandTests(SynchronousTestCase):
    """The same on a console."""

    def setUp(self) -> None:
        self.place = ControlledTown()
        self.addCleanup(self.place.close)

    def reply(self, line: str) -> Reply:
        reply = Commands(self.place.alice, self.place.reactor).run(line)
        assert isinstance(reply, Reply)
        return reply

    def test_for_a_person_and_for_a_program(self) -> None:
        self.assertIn("links: open 1", "\n".join(self.reply("/stats").lines))
        (line,) = self.reply("/stats json").lines
        self.assertEqual(json.loads(line)["links"]["open"], 1)
        self.assertFalse(self.reply("/stats xml").ok)


class LineTests(SynchronousTestCase):
    def test_a_paragraph_for_each_section(self) -> None:
        values = {"links": 1234, "links_limit": 10_000, "rate_limit": 2000.0, "uptime": 12.5}
        figures: dict[str, Figure[dict[str, float]]] = {
            "links": gauge("x", lambda of: of["links"]),
            "links_limit": limit("x", lambda of: of["links_limit"]),
            "rate_limit": limit("x", lambda of: of["rate_limit"]),
            "no_limit": limit("x", lambda _: None),
            "trouble": text("x", lambda _: ""),
            "uptime": gauge("x", lambda of: of["uptime"]),
            "port": gauge("x", lambda _: 45573),
        }
        statistics = Statistics([Section("node", figures, values)])
        self.assertEqual(
            lines(statistics.snapshot(), width=120),
            ["node: links 1,234 of 10,000, rate limit 2,000, trouble -, uptime 12.5, port 45573"],
        )

    def test_long_ones_are_wrapped(self) -> None:
        names = [f"figure_{n}" for n in range(20)]
        shown = lines({"many": dict.fromkeys(names, 1)}, width=60)
        self.assertGreater(len(shown), 3)
        self.assertTrue(all(len(line) <= 60 for line in shown))
        self.assertTrue(all(line.startswith("  ") for line in shown[1:]))
