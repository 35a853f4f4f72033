"""`p2pchat-rendezvous check FILE`: all that is wrong with a server's configuration, at once."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.examining import examine, troubles
from p2pchat.rendezvous.settings import SERVER_SETTINGS, PlaceSettings, ServerSettings
from p2pchat.settings.examining import Findings, report
from tests.support.processes import ROOT

EXAMPLE = ROOT / "examples" / "rendezvous.example.json"


class ExamineTests(SynchronousTestCase):
    def examined(self, content: object) -> Findings:
        path = Path(self.mktemp()).resolve()
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path.chmod(0o600)
        return examine(str(path))

    def test_every_wrong_value(self) -> None:
        bans = Path(self.mktemp()).resolve()
        bans.write_text("a@b\nwho\n")
        found = self.examined(
            {
                "server": {
                    "port": "80",
                    "proxy_protocol": ["10.0.0.1", "bob"],
                    "listen": "unix:/x",
                    "database": "/none/x.db",
                    "ban_file": str(bans),
                    "drian": 1,
                },
                "limits": [],
                "peer": {},
            }
        )
        self.assertEqual(
            [str(error).partition(":")[0] for error in found.errors],
            [
                *("server.port", "server.proxy_protocol", "limits"),
                *("server.database", "server.listen", "ban-file"),
            ],
        )
        self.assertEqual(len(found.warnings), 2)
        self.assertIn("did you mean server.drain?", str(found.warnings[0]))
        self.assertEqual(report("x", found)[-1], "x: 6 errors, 2 warnings")

    def test_no_configuration_at_all(self) -> None:
        self.assertEqual(self.examined({}), ([], []))
        self.assertIn("not JSON", str(self.examined("{").errors[0]))
        self.assertIn("No such file", str(examine("/no/such/file").errors[0]))

    def test_a_file_that_others_may_change(self) -> None:
        path = Path(self.mktemp()).resolve()
        path.write_text("{}")
        path.chmod(0o666)
        (warning,) = examine(str(path)).warnings
        self.assertIn("somebody else may change it: everybody may write it", str(warning))

    def test_the_example_has_every_setting_and_is_right(self) -> None:
        content = json.loads(EXAMPLE.read_text())
        keys = [f"{section}.{field}" for section, them in content.items() for field in them]
        self.assertEqual(keys, [setting.key for setting in SERVER_SETTINGS])
        given = ("server.database", "server.ban_file", "control.path")
        for setting in SERVER_SETTINGS:
            if setting.key not in given:
                value = content[setting.section][setting.field]
                self.assertEqual(
                    value, [*setting.default] if setting.default == () else setting.default
                )
        # Its files are where the unit has them.
        errors = {str(error).partition(":")[0] for error in examine(str(EXAMPLE)).errors}
        self.assertLessEqual(errors, {"server.database", "ban-file"})

    def test_balancers(self) -> None:
        for value, right in (
            ("10.0.0.1, 2001:db8::/32,unix", ("10.0.0.1/32", "2001:db8::/32", "unix")),
            (["::ffff:10.0.0.1"], ("10.0.0.1/32",)),
            ([], ()),
        ):
            (kind,) = (it.kind for it in SERVER_SETTINGS if it.field == "proxy_protocol")
            self.assertEqual(kind.accept(value), right)
            for wrong in ("bob", "0.0.0.0/0", "::/0", "::ffff:0:0/96", [1], 5, "1.1.1.1 2.2.2.2"):
                with self.assertRaises(ValueError, msg=wrong):
                    kind.accept(wrong)

    def test_a_unix_socket_needs_a_balancer(self) -> None:
        for balancers, count in (((), 1), (("10.0.0.1/32",), 1), (("unix",), 0)):
            place = PlaceSettings(listen="unix:/x", proxy_protocol=balancers)
            self.assertEqual(len([*troubles(ServerSettings(server=place))]), count)
