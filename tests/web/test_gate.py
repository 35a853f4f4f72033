"""Who may ask what: the gate as a table."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.web.gate import MOST_BODY, MOST_UNKNOWN, Asked, body_refused, is_ours, refused

OWN = "127.0.0.1:27880"
OURS = (
    *("127.0.0.1:27880", "127.0.0.1", "127.5.6.7:1", "127.255.255.255:65535", "localhost"),
    *("LocalHost:80", "[::1]:27880", "[::1]", "proxy.example", "proxy.example:443"),
)
NOT_OURS = (
    *("", "evil.example", "evil.example:27880", "127.0.0.1.evil.com", "127.0.0.1.evil.com:27880"),
    *("127.0.0.1@evil.com", "evil.com#127.0.0.1", "evil.com/127.0.0.1", "localhost.evil.com"),
    *("xlocalhost", "localhost.", "127.0.0.1.", "127.0.0.256", "127.0.0", "127.1", "2130706433"),
    *("0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "10.0.0.1", "0.0.0.0", "[::]", "[::2]:27880"),
    *("[::ffff:127.0.0.1]", "::1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:999999"),
    *(
        " 127.0.0.1",
        "127.0.0.1 ",
        "127.0.0.1\t",
        "127.0.0.1:27880:27880",
        "\u0661\u0662\u0667.0.0.1",
    ),
    *("127.0.0.1\n", "127.0.0.1,evil.com", "proxy.example.evil.com", "aproxy.example", "*"),
)


def asked(
    method: str = "GET",
    target: str = "/api/v1/state",
    host: str = OWN,
    *,
    key: bool = True,
    length: int | None = 0,
    **others: object,
) -> Asked:
    return Asked(method, target, [host], has_key=key, length=length, **others)  # type: ignore[arg-type]


class HostTests(SynchronousTestCase):
    def test_names_of_this_machine_with_any_port(self) -> None:
        for host in OURS:
            self.assertTrue(is_ours(host, ("proxy.example",)), host)

    def test_any_other_name(self) -> None:
        for host in NOT_OURS:
            self.assertFalse(is_ours(host, ("proxy.example",)), host)

    def test_there_is_one(self) -> None:
        for hosts in ([], [OWN, OWN], [OWN, "evil.example"]):
            refusal = refused(asked()._replace(hosts=hosts))
            assert refusal is not None
            self.assertEqual((refusal.status, refusal.code), (421, "wrong_host"))

    def test_it_comes_before_anything_else(self) -> None:
        """Whoever asks by another name learns nothing, not even what there is."""
        for method, target, key, length in product(
            ("GET", "POST", "TRACE"),
            ("/", "/static/app.js", "/api/v1/state", "nothing"),
            (True, False),
            (0, MOST_BODY + 1, None),
        ):
            refusal = refused(asked(method, target, "evil.example", key=key, length=length))
            assert refusal is not None
            self.assertEqual(refusal.status, 421)


class TableTests(SynchronousTestCase):
    """(what is asked) -> status, None where it passes."""

    def table(self, rows: list[tuple[Asked, int | None]]) -> None:
        for what, status in rows:
            refusal = refused(what)
            self.assertEqual(None if refusal is None else refusal.status, status, what)

    def test_where_the_page_is_from_that_asks(self) -> None:
        def of(origin: str, host: str = OWN, target: str = "/api/v1/state") -> Asked:
            return asked(target=target, host=host, origins=[origin])

        self.table(
            [
                (of(f"http://{OWN}"), None),
                (of("http://LOCALHOST:1", "localhost:1"), None),
                (of("http://127.0.0.1:8000"), 403),
                (of("http://127.0.0.1"), 403),
                (of("http://localhost:27880"), 403),
                (of(f"https://{OWN}"), 403),
                (of("null"), 403),
                (of(""), 403),
                (of("http://evil.example"), 403),
                (of(f"http://{OWN}.evil.example"), 403),
                (of("file://"), 403),
                (of("http://evil.example", target="/"), 403),
                (asked(origins=[f"http://{OWN}", f"http://{OWN}"]), 403),
                (asked(site="cross-site"), 403),
                (asked(site="same-origin"), None),
                # A link on another page, or a file that leads here, may be followed.
                (asked(target="/", site="cross-site"), None),
            ]
        )

    def test_the_key(self) -> None:
        self.table(
            [
                (asked(key=False), 401),
                (asked("POST", "/api/v1/send", key=False, length=5), 401),
                (asked(target="/api/v2/state", key=False), 401),
                (asked(target="/api/v1/session?", key=False), None),
                (asked(target="/api/v1/session/", key=False), 401),
                (asked("POST", "/api/v1/session", key=False, length=5, types=JSON), None),
                (asked(target="/", key=False), None),
                (asked(target="/static/app.css", key=False), None),
            ]
        )

    def test_the_method(self) -> None:
        self.table(
            [
                (asked("HEAD"), None),
                *((asked(method), 405) for method in ("PUT", "DELETE", "OPTIONS", "get", "TRACE")),
                (asked("CONNECT", "evil.example:443"), 400),
                (asked(target="http://127.0.0.1:27880/"), 400),
                (asked(target="*"), 400),
                (asked(target=""), 400),
            ]
        )

    def test_the_body(self) -> None:
        def of(length: int | None, *types: str, key: bool = True, method: str = "POST") -> Asked:
            target = "/api/v1/send" if key else "/api/v1/session"
            return asked(method, target, key=key, length=length, types=types)

        self.table(
            [
                (of(0, "application/json"), None),
                (of(5, "application/json"), None),
                (of(5, "Application/JSON; charset=utf-8"), None),
                (of(MOST_BODY, "application/json"), None),
                (of(MOST_BODY + 1, "application/json"), 413),
                (of(10**30, "application/json"), 413),
                (of(None, "application/json"), 413),
                (of(MOST_UNKNOWN, "application/json", key=False), None),
                (of(MOST_UNKNOWN + 1, "application/json", key=False), 413),
                (of(5), 415),
                (of(0), 415),
                (of(5, "text/plain"), 415),
                (of(5, "application/x-www-form-urlencoded"), 415),
                (of(5, "multipart/form-data; boundary=x"), 415),
                (of(5, "application/json", "text/plain"), 415),
                (of(5, "application/jsonp"), 415),
                # Nobody reads that of a GET, and nobody may make us keep it.
                (of(5, "text/plain", method="GET"), 415),
                (of(None, method="GET"), 413),
            ]
        )

    def test_a_body_is_refused_before_it_is_read(self) -> None:
        """Whatever is refused for its body is so by what the headers say."""
        for length, types, key in product(
            (0, 5, MOST_UNKNOWN + 1, MOST_BODY + 1, None), ([], JSON, ["text/plain"]), (True, False)
        ):
            what = asked("POST", "/api/v1/session", key=key, length=length, types=types)
            self.assertEqual(refused(what), body_refused(what))


JSON = ["application/json"]
