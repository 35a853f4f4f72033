"""Stand-ins for the public rendezvous server, in its newer and its older version.

They answer as those do (protocol, section 2), written from the tables and not from our own server,
so that a node can be shown to live with both: it is them that it meets in the world.
"""

from __future__ import annotations

import json
import time
from typing import Any

from twisted.internet.protocol import Factory, Protocol


class _Request(Protocol):
    transport: Any
    factory: Any

    def connectionMade(self) -> None:
        self._data = b""
        self.factory.connections += 1

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if b"\n" not in self._data:
            return
        line = self._data.split(b"\n", 1)[0]
        ip = self.transport.getPeer().host
        reply = self.factory.answer(line, ip)
        self.transport.write(json.dumps(reply).encode() + b"\n")
        self.transport.loseConnection()


class ReferenceRendezvous(Factory):
    """The newer version; `older=True` for the older one."""

    noisy = False
    protocol = _Request

    def __init__(self, older: bool = False) -> None:
        self.older = older
        self.records: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.connections = 0

    def answer(self, line: bytes, ip: str) -> dict[str, Any]:
        request = json.loads(line)
        self.requests.append(request)
        now = time.time()
        self.records = [r for r in self.records if r["until"] > now]
        kind = str(request.get("type")).upper()
        if kind == "REGISTER":
            return self._register(request, ip, now)
        if kind == "DISCOVER":
            return self._discover(request, ip, now)
        if kind == "UNREGISTER":
            return self._unregister(request, ip)
        return {"status": "ERROR", "message": "Unknown command"}

    def _register(self, request: dict[str, Any], ip: str, now: float) -> dict[str, Any]:
        ttl = max(1, min(int(request.get("ttl", 7200)), 86400))
        record = {
            "ip": ip,
            "port": int(request["port"]),
            "name": request["name"],
            "namespace": request["namespace"],
            "ttl": ttl,
            "until": now + ttl,
        }
        key = (ip, record["namespace"], record["name"])
        self.records = [r for r in self.records if (r["ip"], r["namespace"], r["name"]) != key]
        self.records.append(record)
        if self.older:
            return {"status": "OK", "ttl": ttl, "observed_ip": ip, "observed_port": 50123}
        return {"status": "OK", "ttl": ttl, "ip": ip, "port": record["port"]}

    def _discover(self, request: dict[str, Any], ip: str, now: float) -> dict[str, Any]:
        namespace = request.get("namespace")
        if not self.older:
            if not any(r["ip"] == ip for r in self.records):
                return {"status": "ERROR", "message": "peer_not_registered"}
            if namespace is not None and not 0 < len(namespace) <= 64:
                return {"status": "ERROR", "message": "bad_namespace"}
        peers = [
            {
                **{k: r[k] for k in ("ip", "port", "name", "namespace", "ttl")},
                "expires_in": int(r["until"] - now),
            }
            for r in self.records
            if not namespace or r["namespace"] == namespace
        ]
        return {"status": "OK", "peers": peers}

    def _unregister(self, request: dict[str, Any], ip: str) -> dict[str, Any]:
        if not self.older and not any(r["ip"] == ip for r in self.records):
            return {"status": "ERROR", "message": "peer_not_registered"}
        before = len(self.records)
        self.records = [
            r
            for r in self.records
            if (r["ip"], r["namespace"]) != (ip, request["namespace"])
            or request.get("name") not in (None, r["name"])
            or request.get("port") not in (None, r["port"])
        ]
        if not self.older and len(self.records) == before:
            return {"status": "ERROR", "message": "peer_credentials_do_not_match"}
        return {"status": "OK"}
