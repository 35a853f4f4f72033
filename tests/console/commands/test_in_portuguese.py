"""The commands in Portuguese: what a person reads is, and what programs and the log read is not."""

from __future__ import annotations

from typing import Any

from p2pchat.console.commands.table import COMMANDS
from p2pchat.console.wording import StatusLines, away_line, left_out_line, message_lines
from p2pchat.node.news import NOT_CONFIRMED, Became, News
from p2pchat.node.observers import Observer
from p2pchat.node.own_lists import MOST
from p2pchat.speech import ENGLISH, Sentence, _, use
from p2pchat.wire.messages import MarkedSend
from tests.support.typed_commands import CommandCase


class Noted(Observer):
    """What the observers of a node are told."""

    def __init__(self) -> None:
        self.reasons: list[Any] = []

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """It goes to programs, too."""
        self.reasons.append(reason)


class PortugueseCommandTests(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(use, ENGLISH)
        use("pt_BR")

    def first(self, line: str) -> str:
        return self.reply(line).lines[0]

    def test_help_is_translated_and_the_commands_are_not(self) -> None:
        use(ENGLISH)
        english = self.reply("/help").lines
        use("pt_BR")
        lines = self.reply("/help").lines
        for command, line in zip(COMMANDS, lines, strict=True):
            self.assertTrue(line.startswith(command.usage))
            self.assertTrue(line.endswith(_(command.summary)))
        self.assertEqual({*lines} & {*english}, set())

    def test_who_is_there(self) -> None:
        self.node.meets("bob@CIC")
        answer = self.ask("/peers")
        self.node.presence.asked[-1].callback([])
        self.assertEqual(
            self.successResultOf(answer).lines,
            [
                "peer_id  endereço        status",
                "bob@CIC  10.0.0.9:40000  CONNECTED (fora da lista)",
            ],
        )

    def test_the_links(self) -> None:
        self.node.meets("bob@CIC")
        head, row = self.reply("/conn").lines
        self.assertEqual(
            head.split(),
            ["peer_id", "direção", "desde", "receb.", "env.", "via", "origem"],
        )
        self.assertIn("  saída  ", row)

    def test_no_round_trips(self) -> None:
        nothing = "nenhum link, e nenhum tempo de ida e volta"
        self.assertEqual(self.first("/rtt"), nothing)

    def test_errors_of_other_rooms_are_said_too(self) -> None:
        self.node.meets("eva@CIC")
        for line, answer in (
            ("/ignore ana@CIC", "esse é você"),
            ("/ignore evo", "não há esse peer: [evo]: você quis dizer [eva@CIC]?"),
            ("/mute", "nada está em silêncio"),
            ("/msg", "uso: /msg <peer_id> <message>"),
            ("/msg #CIC oi", "não enviada: /pub #CIC TEXT envia a todos de [#CIC]"),
            ("/nick", "o nome é escolhido ao iniciar: --name NAME"),
            ("/hepl", "não há comando /hepl: você quis dizer /help?"),
            ("/edit x", "você ainda não disse nada aqui desde o início: não há o que alterar"),
            ("/pub #x oi", "publicada para 0 peer: ninguém está conectado em [#x]"),
            ("/outbox", "este nó não guarda nada (--history none)"),
        ):
            self.assertEqual(self.first(line), answer)

    def test_what_becomes_of_a_message(self) -> None:
        noted, lines = Noted(), list[str]()
        self.node.observers.add(noted)
        self.commands.sent.on_news = lambda _news, line: lines.append(line)
        link = self.node.meets("bob@CIC")
        self.reply("/msg bob oi")
        self.node.acknowledge(link)
        self.reply("/msg bob tchau")
        self.node.gives_up_all()
        self.assertRegex(lines[0], r"^entregue a \[bob@CIC\] em \d+\.\d ms$")
        self.assertEqual(
            lines[1], 'não entregue a [bob@CIC]: o nó saiu antes de chegar o ACK ("tchau")'
        )
        self.assertEqual(noted.reasons, ["left before the ACK came"])

    def test_programs_know_how_the_reason_begins(self) -> None:
        news: list[News] = []
        noted = Noted()
        self.node.observers.add(noted)
        link = self.node.meets("bob@CIC", is_p2pchat=False)
        self.node.send("bob@CIC", "oi", news.append)
        (message,) = self.node.outgoing.outbox
        message.times = 3
        self.node.outgoing.outcomes.unconfirmed(message)
        self.assertEqual([each.became for each in news], [Became.UNCONFIRMED])
        self.assertEqual(
            noted.reasons, [f"{NOT_CONFIRMED}: no ACK came, though it went out 3 times"]
        )
        reason = news[0].reason
        assert isinstance(reason, Sentence)
        self.assertEqual(
            reason.said(),
            "enviada, não confirmada: nenhum ACK chegou, embora tenha saído 3 vezes",
        )
        self.assertEqual(len(link.chat), 1)

    def test_what_happens(self) -> None:
        lines = StatusLines()
        self.assertEqual(lines.line("bob@C", "CONNECTED", left=False), "* [bob@C] está conectado")
        self.assertEqual(lines.line("bob@C", "DISCONNECTED", left=True), "* [bob@C] saiu")
        self.assertEqual(away_line("bob@C", "almoço"), "* [bob@C] está ausente: almoço")
        self.assertEqual(
            left_out_line(1, "bob@C", kept=False),
            "… mais 1 mensagem de [bob@C] (está no log em DEBUG)",
        )
        said = MarkedSend("1", "bob@C", "ana@C", "oi")
        self.assertEqual(message_lines("bob@C", [said]), ["[bob@C (id repetido)] oi"])


class HelpTests(CommandCase):
    def test_it_tells_how_many_can_be_ignored(self) -> None:
        self.assertIn(f"{MOST:,} at most", self.reply("/help ignore").lines[0])
