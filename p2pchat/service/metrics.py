"""`/metrics` for Prometheus and `/healthz` for whoever restarts what is ill, over HTTP.

    service = MetricsService(reactor, node, "127.0.0.1", 9464)
    service.listen()                 # raises CannotStartError with a sentence

Rules: needs the extra `metrics`, and is imported only when it is asked for. All figures come from
`p2pchat.node.stats`, read when somebody asks; only the two histograms are kept up meanwhile. It
answers GET and HEAD, takes no body, and tells nothing that a peer wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from p2pchat.logs.levels import Log
from p2pchat.mesh.link.ports import CannotStartError, reason
from p2pchat.mesh.peers import Peer
from p2pchat.node.figures import statistics
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.node.stats import FigureKind, Section, Statistics
from p2pchat.speech import Sentence
from p2pchat.wire.address import host_and_port
from p2pchat.wire.text import printable

_log: Final = Log("Metrics")
_TIMEOUT: Final = 15
"""Seconds that a client may take to ask, and may stay without asking."""
MOST: Final = 32
"""Connections at a time."""
_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Figures:
    """What Prometheus collects: every figure of the program, as `p2pchat_SECTION_FIGURE`."""

    def __init__(self, statistics: Callable[[], Statistics]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Any]:
        """See prometheus_client: called for each request."""
        for section in self._statistics().sections:
            yield from _families(section)


def _families(section: Section[Any]) -> Iterator[Any]:
    words = {}
    for figure_name, value in section.read().items():
        figure, name = section.figures[figure_name], f"p2pchat_{section.name}_{figure_name}"
        if isinstance(value, str):
            # Not what changes, such as the rendezvous's trouble: each value is a time series.
            if figure_name in ("peer_id", "version"):
                words[figure_name] = value
        elif value is not None:
            counts = figure.kind is FigureKind.COUNTER
            family = CounterMetricFamily if counts else GaugeMetricFamily
            yield family(name, figure.help, value=value)
    if words:
        yield InfoMetricFamily(f"p2pchat_{section.name}", "who this node is", value=words)


class Times(Observer):
    """Histograms of what takes time; an observer of the node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._acks = Histogram(
            "p2pchat_ack_seconds",
            "time until the ACK for a message of ours came",
            registry=registry,
            buckets=_BUCKETS,
        )
        self._round_trips = Histogram(
            "p2pchat_round_trip_seconds",
            "round-trip times, by PING and PONG",
            registry=registry,
            buckets=_BUCKETS,
        )

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:  # noqa: ARG002
        """An ACK came."""
        self._acks.observe(seconds)

    def round_trip(self, peer: Peer, seconds: float) -> None:  # noqa: ARG002
        """A PONG came."""
        self._round_trips.observe(seconds)


class MetricsPort(Service):
    """Serves both, for whatever `statistics` tells. `host` "" is every interface.

    `ill` tells why the program is of no use at the moment, empty when it is; `troubles` what else
    is not as it should be.
    """

    name: str | None = "metrics"

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        statistics: Callable[[], Statistics],
        ill: Callable[[], str],
        troubles: Callable[[], list[str]] = list,
    ) -> None:
        self._reactor = reactor
        self._host, self._number = host, port
        self._ill, self._troubles = ill, troubles
        self._port: Any = None
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(Figures(statistics))

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._port.getHost().port)

    def listen(self) -> None:
        """Open the port; raises `CannotStartError` with a sentence when it cannot be had."""
        if self._port is not None:
            return
        root = Resource()
        root.putChild(b"metrics", Metrics(self.registry))
        root.putChild(b"healthz", Health(self._ill, self._troubles))
        site: Any = Site(root, requestFactory=_Request, timeout=_TIMEOUT)
        site.protocol = _OneRequest
        site.displayTracebacks = False
        site.noisy = False
        try:
            self._port = self._reactor.listenTCP(self._number, _Places(site), interface=self._host)
        except CannotListenError as why:
            raise CannotStartError(
                Sentence(
                    "cannot serve metrics on {address}, port {port}: {why}",
                    address=self._host or Sentence("all interfaces"),
                    port=self._number,
                    why=reason(why),
                )
            ) from None

    def startService(self) -> None:
        """Answer from now on."""
        self.listen()
        super().startService()
        _log.info("Metrics on {where}", where=host_and_port(self._host or "*", self.port))

    def stopService(self) -> Deferred[None] | None:
        """Close the port."""
        super().stopService()
        port, self._port = self._port, None
        if port is None:
            return None
        stopped: Deferred[None] = maybeDeferred(port.stopListening)
        return stopped


class MetricsService(MetricsPort):
    """Serves both for a node that listens."""

    def __init__(self, reactor: Any, node: ChatNode, host: str, port: int) -> None:
        super().__init__(reactor, host, port, lambda: statistics(node), lambda: ill(node))
        self._node = node
        self.times = Times(self.registry)

    def startService(self) -> None:
        """Answer from now on, and keep up the histograms."""
        super().startService()
        self._node.observers.add(self.times)

    def stopService(self) -> Deferred[None] | None:
        """Close the port."""
        if self.running:
            self._node.observers.remove(self.times)
        return super().stopService()


class _OneRequest(HTTPChannel):
    """Answers one request: a thousand of them in one packet would be answered in one turn."""

    def checkPersistence(self, request: Request, version: bytes) -> bool:  # noqa: ARG002
        """The connection ends with its answer."""
        request.setHeader(b"connection", b"close")
        return False


class _Places(WrappingFactory):
    """Has few connections: when all places are taken, the oldest gives way.

    Or whoever asks for a byte of an answer a minute would take every descriptor, or every place.
    """

    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Somebody connects."""
        if len(self.protocols) >= MOST:
            oldest: Any = next(iter(self.protocols))
            del self.protocols[oldest]
            oldest.abortConnection()
        return super().buildProtocol(addr)

    def unregisterProtocol(self, p: Any) -> None:
        """A connection is gone."""
        self.protocols.pop(p, None)


class Metrics(Resource):
    """`/metrics`."""

    isLeaf = True  # noqa: N815

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """All figures, in the text format."""
        request.setHeader(b"content-type", CONTENT_TYPE)
        text: bytes = generate_latest(self._registry)
        return text


class Health(Resource):
    """`/healthz`."""

    isLeaf = True  # noqa: N815

    def __init__(self, ill: Callable[[], str], troubles: Callable[[], list[str]] = list) -> None:
        super().__init__()
        self._ill = ill
        self._troubles = troubles

    def render_GET(self, request: Request) -> bytes:
        """200 when the program is of use, and what else troubles it; else 503 and the reason.

        A node is of use when it listens, is registered and keeps messages.
        """
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        why = self._ill()
        if not why:
            lines = ["ok", *map(printable, self._troubles()), ""]
            return "\n".join(lines).encode("utf-8", "replace")
        request.setResponseCode(503)
        return why.encode("utf-8", "replace") + b"\n"


def ill(node: ChatNode) -> str:
    """Why this node is of no use to others at the moment; empty when it is."""
    if not node.running:
        return "the node is not running"
    if node.history is not None and node.history.failing:
        return f"messages are not kept: {node.history.why}"
    if node.presence.grant is None:
        return node.presence.trouble or "not registered with the rendezvous yet"
    return ""


class _Request(Request):
    """A request without a body: what would be kept of one has no limit otherwise."""

    def gotLength(self, length: int | None) -> None:
        """The headers are read; None is a body of unknown length."""
        super().gotLength(length)
        if length != 0:
            self.setResponseCode(413)
            self.channel.loseConnection()
