"""Fakes for tests, of this project and of whoever writes bots: public, and tested themselves.

| module | what it has |
|---|---|
| `clock` | `FakeClock`: time that passes when it is told to |
| `events` | the seeded order of what happens |
| `network` | `FakeNetwork`, `FakeHost`: hosts and ports in memory, in a seeded order of events |
| `connector` | its listening ports, and attempts to connect |
| `transport` | `FakeTransport`: one end of a connection, with the habits of TCP |
| `directory` | `StaticDirectory`, a fixed list, and `FakeRendezvous`, which can be made to fail |
| `nodes` | `FakeTown`, nodes in all of these; `connected_pair`; `Recorder`, what a node was told |

None of it needs a running reactor.
"""
