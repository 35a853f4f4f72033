"""Settings that change while a node runs."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.levels import get_level, set_level
from p2pchat.node.figures import statistics
from p2pchat.node.node import ChatNode
from p2pchat.service.hooks import MessageHook
from p2pchat.service.reload import apply, changes
from p2pchat.settings import reading
from p2pchat.settings.table import SETTINGS
from p2pchat.settings.values import Settings
from p2pchat.testing.nodes import FakeTown


def changed(settings: Settings, **values: object) -> Settings:
    """The same with other values, given as section__field."""
    by_key = {name.replace("__", "."): value for name, value in values.items()}
    return reading.changed(settings, by_key)


def told(node: ChatNode, new: Settings, hook: MessageHook | None = None) -> list[str]:
    """What a node says of new settings, by which it goes from now on."""
    return [*map(str, apply(node, new, hook))]


class ReloadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(3)
        self.addCleanup(self.town.close)
        self.node = self.town.node("alice@CIC")
        self.bob = self.town.node("bob@CIC")
        self.town.run_until_meshed()
        self.addCleanup(set_level, get_level())

    def test_what_changes_at_once_is_what_docs_operating_promises(self) -> None:
        exceptions = ("limits.remembered_ids", "history.file")
        promised = {
            setting.key
            for setting in SETTINGS
            if setting.section in ("connection", "limits", "history", "hooks")
            and setting.key not in exceptions
        } | {"logging.level", "logging.texts", "rendezvous.ttl", "security.policy", "web.hosts"}
        live = {setting.key for setting in SETTINGS if not setting.restart}
        self.assertEqual(live, promised)

    def test_what_differs(self) -> None:
        new = changed(Settings(), limits__max_links=7, peer__name="x")
        found = changes(Settings(), new)
        self.assertEqual(found, {"limits.max_links": (10_000, 7), "peer.name": (None, "x")})

    def test_nothing_new(self) -> None:
        self.assertEqual(told(self.node, self.node.settings), ["nothing has changed"])

    def test_limits_and_intervals(self) -> None:
        new = changed(
            self.node.settings,
            limits__max_links=1,
            limits__max_links_per_ip=2,
            limits__max_handshakes=3,
            limits__max_known_peers=4,
            limits__max_pending_acks=0,
            connection__ping_interval=2.0,
            connection__ack_timeout=1.0,
            connection__discovery_interval=5.0,
            logging__level="ERROR",
        )
        said = told(self.node, new)
        self.assertIn("limits.max_links is 1 now, it was 10000", said)
        self.assertEqual(len(said), 9)
        self.assertEqual(get_level(), "ERROR")
        mesh = self.node.mesh
        self.assertEqual((mesh.admission.max_links, mesh.peers.max_known), (1, 4))
        self.assertEqual(statistics(self.node).snapshot()["links"]["connections_limit"], 1)
        with self.assertRaisesRegex(Exception, "wait for their ACK"):
            self.node.send("bob@CIC", "oi")
        asked = len(self.town.rendezvous.requests)
        self.town.run(30)
        self.assertGreaterEqual(len(self.town.rendezvous.requests) - asked, 5)
        peer = self.node.peers.get("bob@CIC")
        assert peer is not None
        self.assertGreaterEqual(len(peer.round_trips), 10)
        self.assertEqual(self.town.links(self.node), {"bob@CIC": 1})

    def test_what_needs_a_restart_stays_and_is_told_again(self) -> None:
        new = changed(self.node.settings, peer__name="eve", control__path="/x", history__file="y")
        for _ in range(2):
            said = told(self.node, new)
            self.assertEqual(
                said,
                [
                    "control.path needs a restart to become /x",
                    "history.file needs a restart to become y",
                    "peer.name needs a restart to become eve",
                ],
            )
        self.assertEqual(self.node.settings.peer.name, "alice")

    def test_limits_of_the_history(self) -> None:
        new = changed(self.node.settings, history__outbox_max=5)
        self.assertEqual(told(self.node, new), ["history.outbox_max is 5 now, it was 10000"])
        self.assertEqual(self.node.settings.history.outbox_max, 5)

    def test_hooks(self) -> None:
        hook = MessageHook(None, "alice@CIC", self.node.settings.hooks, {}, lambda: "now")
        new = changed(self.node.settings, hooks__message="/bin/true", hooks__max_running=9)
        said = told(self.node, new, hook)
        self.assertIn("hooks.message is /bin/true now, it was unset", said)
        self.assertEqual((hook.program, hook.max_running), ("/bin/true", 9))
        apply(self.node, Settings(), hook)
        self.assertIsNone(hook.program)
