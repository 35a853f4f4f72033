"""The bots on `p2pchat.bot`, each with a real node in a fake network, and no time that passes.

python -m twisted.trial examples/test_bots.py         or: pytest examples/test_bots.py
"""

from pathlib import Path
from runpy import run_path
from unittest import TestCase

from p2pchat.testing import ServedBot

HERE = Path(__file__).resolve().parent


def example(name):
    """What a program defines."""
    return run_path(str(HERE / name))


class EchoTests(TestCase):
    """The one of ten lines."""

    def test_it_says_the_same_over_a_restart(self) -> None:
        """Whatever the text is, and also to what was said while it was away."""
        place = ServedBot(example("ten_line_bot.py")["bot"])
        for text in ("oi", "a\nb", "%s {}", "\x1b[2J", "!unknown", "é" * 3000):
            place.say(text)
            expected = [] if text.startswith("!") else [f"bot: {text}"]
            self.assertEqual(place.heard() or expected, [f"bot: {text}"])
        place.restart()
        place.say("again")
        self.assertEqual(place.heard(), ["bot: again"])
        place.close()


class ReminderTests(TestCase):
    """The one that waits."""

    def setUp(self) -> None:
        """A bot that nobody has asked."""
        self.defined = example("reminder_bot.py")
        self.place = ServedBot(self.defined["bot"], "carol@CIC")

    def tearDown(self) -> None:
        """Nothing is left behind."""
        for reminder in self.defined["reminders"]:
            reminder.cancel()
        self.place.close()

    def test_it_reminds_when_it_is_time(self) -> None:
        """And only who asked."""
        self.place.say("!remind 2 tea is ready")
        self.assertEqual(self.place.heard(), ["bot: in 2 minutes"])
        self.place.run(110)
        self.assertEqual(self.place.heard(), [])
        self.place.run(12)
        self.assertEqual(self.place.heard(), ["bot: you wanted to be reminded: tea is ready"])
        self.assertEqual(self.place.heard("carol@CIC"), [])

    def test_what_it_does_not_understand(self) -> None:
        """It says how it is asked."""
        for text in ("!remind", "!remind x y", "!remind 5", "!remind -1 x", "!remind \u0663 x"):
            self.place.say(text)
            self.assertEqual(self.place.heard(), ["bot: !remind MINUTES TEXT"], text)
        self.place.say("!remind 9999 x")
        self.assertIn("longest", self.place.heard()[0])

    def test_nobody_has_any_number(self) -> None:
        """Ten of one person, and others have theirs."""
        for _ in range(11):
            self.place.say("!remind 60 x", wait=0.2)
        self.assertIn("10 of yours wait already", self.place.heard()[-1])
        self.place.say("!remind 60 x", "carol@CIC")
        self.assertEqual(self.place.heard("carol@CIC"), ["bot: in 60 minutes"])


class ShellTests(TestCase):
    """The one that runs programs: for whom, and which."""

    def setUp(self) -> None:
        """A bot whose programs are not run, but noted."""
        self.defined = example("shell_bot.py")
        self.ran = []

        async def output(command):
            self.ran.append(command)
            return "done"

        self.defined["run"].__globals__["output"] = output

    def test_nobody_who_is_not_verified_is_obeyed(self) -> None:
        """Neither in the clear nor by a key that nobody has compared."""
        for sealed in (False, True):
            place = ServedBot(self.defined["bot"], "nobody@nowhere", sealed=sealed)
            with self.assertLogs("p2pchat.bot", "WARNING"):
                place.say("!run uptime", wait=2)
            self.assertEqual((place.heard(), self.ran), ([], []))
            place.close()

    def test_no_text_becomes_a_part_of_a_command(self) -> None:
        """Whatever the master says, a line of the list is run, or nothing."""
        place = ServedBot(self.defined["bot"], "nobody@nowhere", sealed=True)
        place.verify("nobody@nowhere")
        for text in (
            *("uptime", "uptime; reboot", "uptime $(reboot)", "-x", "disk /etc", "", "../uptime"),
            *("`reboot`", "date\nreboot", "disk"),
        ):
            place.say(f"!run {text}", "nobody@nowhere", wait=2)
        self.assertEqual(self.ran, [["uptime"], ["df", "-h", "/"]])
        self.assertEqual(len(place.heard("nobody@nowhere")), 10)
        place.close()
