"""What the page's server answers, from bytes to bytes, of a real node in a fake network."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred

from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError
from p2pchat.settings.reading import changed
from p2pchat.web import answers
from p2pchat.web.gate import MOST_BODY, MOST_UNKNOWN
from p2pchat.web.pages import MOST_WAITS, WAIT
from p2pchat.web.server import MOST, SAFE, TO_ASK, TO_READ
from p2pchat.web.streams import MOST as MOST_STREAMS
from tests.support.web_clients import HOST, Answer, PageCase, request


def fail() -> list[Any]:
    """What reading a damaged file does."""
    raise HistoryError("damaged")


class SafetyTests(PageCase):
    """The rules for every answer, for bytes on a connection."""

    def status(self, data: bytes) -> int:
        connection = self.place.connect(data)
        if not connection.wire.value():
            self.town.run(2)
        self.assertTrue(connection.is_over)
        answer = connection.answer
        connection.lose()
        return answer.status

    def test_the_headers_of_every_answer(self) -> None:
        key = self.place.key
        for data in (
            request("GET", "/"),
            request("GET", "/nothing"),
            request("GET", "/", host="evil.example"),
            request("GET", "/api/v1/state"),
            request("GET", "/api/v1/links", key=key),
            request("GET", "/api/v1/events?page=a", key=key),
            request("POST", "/api/v1/send", b"{}", key=key),
            request("POST", "/api/v1/send", b"x" * (MOST_BODY + 1), key=key),
        ):
            answer = self.place.connect(data).answer
            for name, value in SAFE.items():
                wanted = value.decode().lower()
                if answer.status == 200 and b"GET / " in data and name == b"Cache-Control":
                    wanted = "no-cache"
                self.assertEqual(answer.headers[name.decode().lower()], wanted, data[:60])
            self.assertEqual(answer.headers["connection"], "close")
            self.assertFalse({"set-cookie", "access-control-allow-origin"} & answer.headers.keys())

    def test_who_is_refused(self) -> None:
        key = self.place.key
        post: dict[str, Any] = {"content_type": "application/json", "content_length": "2"}
        rows: list[tuple[int, bytes]] = [
            (200, request("GET", "/api/v1/links", key=key)),
            (200, request("GET", "/api/v1/links", key=key, host="localhost:1")),
            (200, request("GET", "/api/v1/links", key=key, Origin=f"http://{HOST}")),
            (421, request("GET", "/api/v1/links", key=key, host="evil.example:27880")),
            (421, request("GET", "/", host="127.0.0.1.evil.com")),
            (421, b"GET / HTTP/1.0\r\n\r\n"),
            (421, b"GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n"),
            (403, request("GET", "/api/v1/links", key=key, Origin="http://127.0.0.1:8000")),
            (403, request("GET", "/api/v1/links", key=key, Origin="null")),
            (403, request("GET", "/api/v1/links", key=key, Sec_Fetch_Site="cross-site")),
            (401, request("GET", "/api/v1/links")),
            (401, request("GET", "/api/v1/links", key=key[:-1])),
            (401, request("GET", "/api/v1/links", Authorization=f"Basic {key}")),
            (401, request("GET", "/api/v1/links", Cookie=f"key={key}")),
            (401, request("GET", f"/api/v1/links?key={key}")),
            (401, request("GET", "/api/v1/events?page=a")),
            (401, request("POST", "/api/v1/send", b"{}")),
            (404, request("GET", "/api/v1/nothing", key=key)),
            (404, request("GET", "/static/../service.py")),
            (404, request("GET", "/static/%2e%2e/service.py")),
            (404, request("GET", "/static//etc/passwd")),
            (404, request("GET", "/static/vendor/")),
            (404, request("POST", "/", b"{}")),
            (405, request("GET", "/api/v1/send", key=key)),
            (405, request("POST", "/api/v1/state", b"{}", key=key)),
            (405, request("DELETE", "/api/v1/links", key=key)),
            (405, request("OPTIONS", "/api/v1/links", key=key)),
            (400, request("OPTIONS", "*")),
            (400, request("GET", f"http://{HOST}/")),
            (400, request("GET", "/api/v1/history?count=x", key=key)),
            (400, request("GET", "/api/v1/history?count=%ff", key=key)),
            (400, request("GET", "/api/v1/history?" + "a=1&" * 100, key=key)),
            (400, request("GET", "/api/v1/history?before=1&after=2", key=key)),
            (400, request("POST", "/api/v1/send", b"[" * 100_000, key=key)),
            (400, request("POST", "/api/v1/send", b'{"a":' * 20_000, key=key)),
            (400, request("POST", "/api/v1/read", b'{"upto":1e999}', key=key)),
            (400, request("POST", "/api/v1/read", b'{"upto":' + b"9" * 999 + b"}", key=key)),
            (400, request("POST", "/api/v1/read", b'{"upto":NaN}', key=key)),
            (400, request("POST", "/api/v1/send", b"\xff\xfe", key=key)),
            (400, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n"),
            (413, request("POST", "/api/v1/session", b"x" * (MOST_UNKNOWN + 1))),
            (413, request("POST", "/api/v1/send", key=key, Transfer_Encoding="chunked")),
            (413, request("GET", "/", Transfer_Encoding="chunked")),
            (415, request("POST", "/api/v1/send", key=key, Content_Length="2") + b"{}"),
            (415, request("POST", "/api/v1/send", key=key, **{**post, "content_type": "a/b"})),
            (403, request("POST", "/api/v1/session", b'{"token":"wrong"}')),
        ]
        for status, data in rows:
            self.assertEqual(self.status(data), status, data[:100])

    def test_a_body_that_is_too_long_is_not_waited_for(self) -> None:
        """Nobody keeps what the sender of a terabyte sends."""
        for key in (self.place.key, ""):
            head = request(
                "POST",
                "/api/v1/send",
                key=key,
                Content_Type="application/json",
                Content_Length="1000000000000",
            )
            connection = self.place.connect(head + b"x" * 10_000)
            self.assertEqual(connection.answer.status, 413)
            self.assertTrue(connection.is_over)
            self.assertEqual(connection.answer.fields["code"], "too_long")
            connection.lose()

    def test_nothing_follows_a_request(self) -> None:
        """A thousand requests in one packet are one."""
        data = request("GET", "/api/v1/links", key=self.place.key)
        connection = self.place.connect(data * 1000)
        self.assertEqual(connection.wire.value().count(b"HTTP/1.1 200"), 1)
        self.assertTrue(connection.is_over)
        connection.lose()

    def test_half_a_request(self) -> None:
        for data in (b"", b"GET", request("GET", "/")[:-2], request("POST", "/x", b"{}")[:-1]):
            connection = self.place.connect(data)
            self.town.run(TO_ASK - 1)
            connection.say(b"")
            self.assertFalse(connection.wire.aborted)
            self.town.run(1.5)
            self.assertTrue(connection.wire.aborted or connection.is_over, data)
            connection.lose()

    def test_an_answer_that_nobody_reads(self) -> None:
        connection = self.place.connect(request("GET", "/"))
        self.town.run(TO_READ + 1)
        self.assertTrue(connection.wire.aborted)
        connection.lose()

    def test_there_are_few_connections_and_streams_keep_theirs(self) -> None:
        streams = [self.stream(f"p{n}") for n in range(MOST_STREAMS)]
        idle = [self.place.connect() for _ in range(MOST)]
        self.assertEqual(len(self.web.factory.connections), MOST)
        gone = [each for each in idle if each.wire.aborted]
        self.assertEqual(gone, idle[:MOST_STREAMS])
        self.assertFalse(any(each.is_over for each in streams))
        for each in idle:
            each.lose()
        self.assertEqual(len(self.web.factory.connections), MOST_STREAMS)

    def test_what_is_not_http(self) -> None:
        for data in (
            b"\x16\x03\x01\x02\x00\x01",
            b"\r\n" * 10,
            b"GET / HTTP/9.9\r\n\r\n",
            b"\0" * 99_999,
        ):
            connection = self.place.connect(data)
            self.town.run(TO_READ + TO_ASK)
            self.assertTrue(connection.is_over)
            connection.lose()

    def test_a_fault_of_ours_shows_nothing(self) -> None:
        self.patch(self.web.factory.pages, "answer", lambda _: 1 / 0)
        answer = self.place.connect(request("GET", "/")).answer
        self.assertEqual((answer.status, answer.fields["code"]), (500, "failed"))
        self.assertNotIn(b"Zero", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class EnteringTests(PageCase):
    def enter(self, token: str) -> Answer:
        connection = self.place.connect(
            request("POST", "/api/v1/session", json.dumps({"token": token}).encode())
        )
        if not connection.wire.value():
            self.town.run(WAIT + 0.1)
        return connection.answer

    def test_a_link_is_for_once(self) -> None:
        token = self.web.open().url.rpartition("=")[2]
        self.assertTrue(self.web.waits(token))
        self.assertEqual(self.enter(token).fields, {"key": self.place.key})
        self.assertFalse(self.web.waits(token))
        answer = self.enter(token)
        self.assertEqual((answer.status, answer.fields["code"]), (403, "wrong_token"))

    def test_guessing_is_slow(self) -> None:
        data = request("POST", "/api/v1/session", b'{"token":"guess"}')
        waiting = [self.place.connect(data) for _ in range(MOST_WAITS)]
        self.town.run(WAIT - 0.1)
        self.assertEqual([each.wire.value() for each in waiting], [b""] * MOST_WAITS)
        self.assertEqual(self.place.connect(data).answer.status, 503)
        # Who has a link does not wait behind those who have none.
        self.assertEqual(self.enter(self.web.open().url.rpartition("=")[2]).status, 200)
        self.town.run(0.2)
        self.assertEqual([each.answer.status for each in waiting], [403] * MOST_WAITS)

    def test_who_guesses_and_goes(self) -> None:
        connection = self.place.connect(request("POST", "/api/v1/session", b'{"token":"x"}'))
        connection.lose()
        self.town.run(WAIT + 0.1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_all_leave(self) -> None:
        stream, other = self.stream("a"), self.stream("b")
        self.assertEqual(self.post("leave").fields, {})
        for each in (stream, other):
            self.assertEqual(each.kinds, ["hello", "closed"])
            self.assertTrue(each.is_over)
        self.assertEqual(self.get("links").fields["code"], "no_key")
        self.place.enter()
        self.assertEqual(self.get("links").status, 200)


class FileTests(PageCase):
    def test_the_page(self) -> None:
        first = self.place.connect(request("GET", "/")).answer
        self.assertEqual(first.status, 200)
        self.assertEqual(first.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn(b"<!doctype html>", first.body.lower())
        same = self.place.connect(request("GET", "/static/index.html")).answer
        self.assertEqual(same.body, first.body)
        tag = first.headers["etag"]
        known = self.place.connect(request("GET", "/", If_None_Match=tag)).answer
        self.assertEqual((known.status, known.body), (304, b""))
        head = self.place.connect(request("HEAD", "/")).answer
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], str(len(first.body)))


class AnswerTests(PageCase):
    """What is answered, of a node that keeps nothing."""

    def test_the_state(self) -> None:
        state = self.get("state").fields
        self.assertEqual((state["me"], state["home"]), ("alice@CIC", "#CIC"))
        (bob,) = state["peers"]
        self.assertEqual((bob["peer_id"], bob["status"], bob["links"]), ("bob@CIC", "CONNECTED", 1))
        self.assertEqual([link["peer_id"] for link in state["links"]], ["bob@CIC"])
        self.assertEqual(state["conversations"], [])
        self.assertEqual(state["status"]["peer_id"], "alice@CIC")
        self.assertFalse(state["status"]["history"])
        self.assertEqual(state["outbox"], {"messages": [], "more": 0})
        self.assertTrue(state["run"])

    def test_the_settings_name_no_files(self) -> None:
        settings = self.get("state").fields["settings"]
        self.assertEqual(settings["connection"]["ping_interval"], 30)
        for section, name in (("history", "file"), ("control", "path"), ("hooks", "message")):
            self.assertNotIn(name, settings.get(section, {}))
        self.assertNotIn("passphrase_file", json.dumps(settings))

    def test_who_chose_no_name_is_told_how(self) -> None:
        start = self.get("state").fields["start"]
        self.assertEqual((start["name"], start["namespace"]), (True, True))
        self.assertEqual(start["sentence"], "")
        values = {"peer.name": None, "peer.namespace": "lobby"}
        self.alice.settings = changed(self.alice.settings, values)
        start = self.get("state").fields["start"]
        self.assertEqual((start["name"], start["namespace"]), (False, False))
        self.assertIn("You are called alice, after your login name.", start["sentence"])
        self.assertEqual(start["command"], "p2pchat --name NAME --namespace NAMESPACE")

    def test_unread_without_a_history(self) -> None:
        self.bob.send("alice@CIC", "oi")
        self.bob.publish("#CIC", "all")
        self.town.run(1)
        rows = self.get("state").fields["conversations"]
        found = {row["conversation"]: (row["kind"], row["unread"], row["last"]) for row in rows}
        self.assertEqual(found, {"bob@CIC": ("peer", 1, None), "#CIC": ("room", 1, None)})
        answer = self.get("history")
        self.assertEqual((answer.status, answer.fields["code"]), (409, "refused"))

    def test_a_message(self) -> None:
        stream = self.stream("p")
        answer = self.post("send", to="bob", text="olá", tag="t1").fields
        self.assertEqual(
            (answer["to"], answer["state"], answer["tag"]), ("bob@CIC", "waiting", "t1")
        )
        self.town.run(1)
        self.assertEqual(self.town.seen(self.bob).texts, ["olá"])
        about = {e["event"]: e["msg_id"] for e in stream.events if "msg_id" in e}
        self.assertEqual(about, {"sent": answer["msg_id"], "delivered": answer["msg_id"]})

    def test_a_publication(self) -> None:
        answer = self.post("send", to="#CIC", text="olá").fields
        self.assertEqual((answer["state"], answer["peers"], answer["dropped"]), ("published", 1, 0))
        self.town.run(1)
        self.assertEqual(self.town.seen(self.bob).texts, ["olá"])

    def test_what_cannot_be_sent(self) -> None:
        for fields, status, code in (
            ({"to": "nobody", "text": "oi"}, 409, "not_sent"),
            ({"to": "x@CIC", "text": "oi"}, 409, "not_sent"),
            ({"to": "alice@CIC", "text": "oi"}, 409, "not_sent"),
            ({"to": "bob", "text": "x" * 40_000}, 409, "not_sent"),
            ({"to": "bob", "text": "oi", "security": "verified"}, 409, "insecure"),
            ({"to": "bob", "text": "oi", "security": "x"}, 400, "bad_request"),
            ({"to": "bob", "text": "oi", "tag": "x" * 201}, 400, "bad_request"),
            ({"to": "bob", "text": " "}, 400, "bad_request"),
            ({"to": "", "text": "oi"}, 400, "bad_request"),
            ({"to": 5, "text": "oi"}, 400, "bad_request"),
            ({"to": "#", "text": "oi"}, 409, "not_sent"),
        ):
            answer = self.post("send", **fields)
            self.assertEqual((answer.status, answer.fields["code"]), (status, code), fields)
        self.assertEqual(self.town.seen(self.bob).texts, [])

    def test_a_line_of_a_console(self) -> None:
        """Its answer is for this page alone; so is what becomes of its message."""
        one, other = self.stream("one"), self.stream("other")
        answer = self.post("command", page="one", line="/msg bob oi").fields
        self.assertEqual(answer, {"lines": ["[bob] is [bob@CIC]"], "done": True, "leave": False})
        self.town.run(1)
        self.assertIn("outcome", one.kinds)
        self.assertNotIn("outcome", other.kinds)
        self.assertIn(
            "bob@CIC", "".join(self.post("command", page="one", line="/conn").fields["lines"])
        )
        self.assertFalse(self.post("command", page="x", line="/nonsense").fields["done"])

    def test_a_line_is_typed_in_a_conversation(self) -> None:
        self.stream("p")
        self.post("command", page="p", line="/me waves", conversation="#CIC")
        self.post("send", page="p", to="bob@CIC", text="helo")
        self.town.run(1)
        answer = self.post("command", page="p", line="/edit hello", conversation="bob@CIC").fields
        self.assertEqual(answer["lines"], ["changed, for [bob@CIC]"])
        self.town.run(1)
        self.assertEqual(self.town.seen(self.bob).texts[:2], ["* alice waves", "helo"])

    def test_leaving_a_page_ends_nothing(self) -> None:
        self.stream("p")
        self.assertTrue(self.post("command", page="p", line="/quit").fields["leave"])
        self.town.run(1)
        self.assertEqual(self.place.stopped, 0)
        self.assertTrue(self.post("command", page="p", line="/help").fields["done"])

    def test_what_there_is_to_look_at(self) -> None:
        self.assertEqual(self.post("ping").fields, {"pinged": 1})
        self.town.run(2)
        (row,) = self.get("round_trips?minutes=1").fields["round_trips"]
        self.assertEqual((row["peer_id"], len(row["samples"])), ("bob@CIC", 1))
        graph = self.get("graph").fields
        self.assertEqual({node["id"] for node in graph["nodes"]}, {"alice@CIC", "bob@CIC"})
        (edge,) = graph["edges"]
        self.assertEqual((edge["a"], edge["b"], edge["linked"]), ("alice@CIC", "bob@CIC", True))
        self.assertIn(edge["direction"], ("inbound", "outbound"))
        self.assertEqual(self.get("links").fields["links"][0]["peer_id"], "bob@CIC")
        self.assertIn("links", self.get("stats").fields["stats"])
        self.assertEqual(self.get("peers?scope=%23CIC").fields["more"], 0)
        self.patch(answers, "log_paths", list)
        self.assertEqual(self.get("log").fields["code"], "refused")
        self.assertEqual(self.post("reconnect").fields, {"dialing": 0})
        self.assertEqual(self.post("block", entry="x@SPAM").fields["added"], ["x@SPAM"])
        self.assertEqual(self.post("unblock", entry="x@SPAM").fields["added"], [])
        self.assertEqual(self.post("verify", peer_id="bob@CIC").fields["code"], "refused")


class PastTests(PageCase):
    """The same of a node with a history."""

    def setUp(self) -> None:
        self.keep()

    def test_the_past(self) -> None:
        for n in range(5):
            self.bob.send("alice@CIC", f"{n}")
        self.town.run(1)
        answer = self.get("history?conversation=bob@CIC&count=2").fields
        self.assertEqual([line["text"] for line in answer["lines"]], ["3", "4"])
        first = answer["lines"][0]["id"]
        answer = self.get(f"history?conversation=bob&before={first}").fields
        self.assertEqual([line["text"] for line in answer["lines"]], ["0", "1", "2"])
        (found,) = self.get("search?q=4").fields["lines"]
        self.assertEqual(found["text"], "4")
        (row,) = self.get("state").fields["conversations"]
        self.assertEqual((row["unread"], row["last"]["text"]), (5, "4"))
        answer = self.post("read", conversation="bob@CIC", upto=first).fields
        self.assertEqual(answer, {"unread": 1})
        self.assertEqual(self.post("forget", peer_id="bob@CIC").fields["messages"], 5)

    def test_what_names_the_person(self) -> None:
        def named() -> dict[str, tuple[int, int]]:
            rows = self.get("state").fields["conversations"]
            return {row["conversation"]: (row["unread"], row["unread_named"]) for row in rows}

        self.bob.publish("#CIC", "Alice, before it was read")
        self.town.run(1)
        self.post("read", conversation="#CIC")
        for text in ("malice", "who is ALICE?", "nobody", "alice!"):
            self.bob.publish("#CIC", text)
        self.alice.publish("#CIC", "I, alice")
        self.bob.publish("*", "good morning")
        self.bob.send("alice@CIC", "oi")
        self.town.run(1)
        self.assertEqual(named(), {"#CIC": (4, 2), "*": (1, 0), "bob@CIC": (1, 1)})
        self.patch(Reader, "recent", lambda *_: fail())
        self.assertEqual(named()["#CIC"], (4, 0))

    def test_a_disk_that_hangs(self) -> None:
        """The page opens all the same, with what is known without the disk."""
        self.bob.send("alice@CIC", "oi")
        self.town.run(1)
        self.patch(self.alice.history, "ask", lambda _: Deferred())
        connection = self.place.ask("GET", "state")
        self.town.run(6)
        (row,) = connection.answer.fields["conversations"]
        self.assertEqual((row["conversation"], row["last"], row["unread"]), ("bob@CIC", None, 1))

    def test_a_change_names_what_it_changes(self) -> None:
        self.stream("p")
        sent = self.post("send", page="p", to="bob@CIC", text="helo").fields
        self.assertEqual(sent["id"], 1)
        self.town.run(1)
        self.post("command", page="p", line="/edit hello", conversation="bob@CIC")
        self.town.run(1)
        lines = self.get("history").fields["lines"]
        self.assertEqual([line.get("of") for line in lines], [None, sent["msg_id"]])

    def test_what_waits(self) -> None:
        sent = self.post("send", to="carla@CIC", text="later").fields
        self.town.run(1)
        (waiting,) = self.get("outbox").fields["messages"]
        self.assertEqual((waiting["msg_id"], waiting["stage"]), (sent["msg_id"], "waits"))
        self.assertEqual(self.get(f"outbox?msg_id={sent['msg_id']}").fields["messages"], [])
        answer = self.post("cancel", msg_ids=[sent["msg_id"]]).fields
        self.assertEqual(answer["cancelled"], 1)
