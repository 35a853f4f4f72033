"""How old a message is, whatever the wall clock says: by the time that its node ran.

    a row of `run`:  from message `id` on, the node had run for `total` when it was `wall`
    row 0:           the same, when that was noted last

A message was said when the node had run for `total + (at - wall)`, by the last row whose id is not
above its own. A new row begins with each run, and when the wall clock was set. The time between two
runs counts as far as the file shows it: never more than since the newest time in it. Of more than
`_BELIEVED` only when the wall clock says so for `_HOLDS`.

Rules: no I/O. Times are in seconds; `now` of a steady clock, `wall` of the wall clock.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from p2pchat.history.records import NO_ID, Loaded, Record, Run, Since

_EARLIEST: Final = 1_704_067_200.0
"""2024: a clock that says less was never set, and what it said shows nothing."""
_BELIEVED: Final = 86_400.0
"""Seconds that the wall clock may go forward, and is believed at once."""
_HOLDS: Final = 120.0
"""Seconds that it must say so before it is believed of more."""
_SET: Final = 60.0
"""Seconds by which the wall clock goes off before a new row begins."""
_NOTED_EVERY: Final = 60.0
_MOST_ROWS: Final = 1000


class Running:
    """The time that a node ran, over restarts. Call `loaded` first."""

    def __init__(self) -> None:
        self._rows: list[Run] = []
        self._new: list[Run] = []
        self._first = 0
        self._began = 0.0
        self._base = 0.0
        self._offset = 0.0
        self._gap_is_open = False
        self._doubted_since: float | None = None
        self._note_at = 0.0
        self._matters = False
        self.last_waits = False
        """Whether something is to be noted when the node leaves."""
        self.is_wanted = False
        """Whether somebody waits for the next note."""

    def loaded(self, past: Loaded, now: float, wall: float) -> None:
        """Begin a run after this past."""
        self._began, self._first = now, past.next_id
        self._matters = self.last_waits = bool(past.waiting or past.runs)
        newest = past.newest
        noted = [row for row in past.runs if not row.id]
        self._rows = sorted((row for row in past.runs if row.id), key=lambda row: row.id)
        if noted:
            self._base = noted[0].total
            if _is_set(newest) and _is_set(noted[0].wall):
                # It ran until its newest message came, or was off before that, which is the same.
                # It is noted often: of more than a day the clock was set back since that came.
                ran_on = newest - noted[0].wall
                self._base += ran_on if 0.0 < ran_on <= _BELIEVED else 0.0
        if not self._rows:
            # Of what was said before there were rows it is known by how much the newest is younger.
            self._rows.append(Run(1, self._base, newest))
            self._new += self._rows
        self._gap_is_open = _is_set(newest)
        self._offset = (newest if self._gap_is_open else wall) - now
        self.look(now, wall)

    def look(self, now: float, wall: float) -> None:
        """See what the wall clock says; call it now and then."""
        ahead = wall - now - self._offset
        if ahead > _BELIEVED:
            if self._doubted_since is None:
                self._doubted_since = now
            if now - self._doubted_since < _HOLDS:
                return
        self._doubted_since = None
        self._offset += ahead
        if self._gap_is_open:
            self._gap_is_open = False
            self._between_runs(max(0.0, ahead))

    def wall(self, now: float) -> float:
        """The time by the wall clock, as far as that is believed."""
        return now + self._offset

    def entering(self, number: int, now: float, wall: float, said: float) -> None:
        """A message of ours gets this id, that was said in this run, at `said` by the wall clock.

        If the past was not known then, the wall clock may have been set since.
        """
        if abs(wall - said) > _SET:
            wall = said
        last, total = self._rows[-1] if self._rows else None, self._total(now)
        self._matters = self.last_waits = True
        begins = last is None or last.id < self._first or _differ(last, total, wall)
        if begins and len(self._new) < _MOST_ROWS:
            row = Run(number, total, wall)
            self._new.append(row)
            self._rows.append(row)
            self._note_at = 0.0

    def want_note(self) -> None:
        """Have it noted with the next batch: after that no restart takes a message for younger."""
        self.is_wanted = True
        self._note_at = 0.0

    def to_note(self, now: float, wall: float, *, last: bool = False) -> list[Run]:
        """The rows to write with the next batch; `last`: the node leaves."""
        self.is_wanted = False
        if not self._matters or (now < self._note_at and not last):
            return []
        self._note_at = now + _NOTED_EVERY
        self.last_waits = not last
        return [*self._new, Run(0, self._total(now), wall)]

    def age(self, record: Record, now: float) -> float:
        """For how long a message of ours has waited."""
        at = bisect_right(self._rows, record.id, key=lambda row: row.id)
        if not record.id or not at:
            return 0.0
        row = self._rows[at - 1]
        said = row.total
        if _is_set(record.at) is _is_set(row.wall):
            said += record.at - row.wall
        if record.id >= self._first:
            said = max(said, self._base)
        return max(0.0, self._total(now) - said)

    def since(self, age: float, now: float) -> Since:
        """Which messages of ours were said within the last `age` seconds."""
        rows, ran = self._rows, self._total(now) - age
        wall = self.wall(now) - age
        if not rows:
            return Since(wall=wall)
        place = bisect_right([row.total for row in rows], ran)
        later = rows[place].id if place < len(rows) else NO_ID
        if not place:
            return Since(rows[0].id, wall, later)
        row = rows[place - 1]
        return Since(rows[0].id, wall, later, row.id, row.wall + ran - row.total)

    def needed_from(self, age: float, now: float) -> int:
        """The first row that `since` goes by, for this age or a younger one."""
        place = bisect_right(self._rows, self._total(now) - age, key=lambda row: row.total)
        return self._rows[max(0, place - 1)].id if self._rows else NO_ID

    def _total(self, now: float) -> float:
        """How long the node ran in all, with the time between two runs."""
        return self._base + now - self._began

    def _between_runs(self, seconds: float) -> None:
        """The node was off for so long: what was said in this run was said after that."""
        self._base += seconds
        for rows in (self._rows, self._new):
            rows[:] = [
                Run(row.id, row.total + seconds, row.wall) if row.id >= self._first else row
                for row in rows
            ]


def _is_set(wall: float) -> bool:
    return wall >= _EARLIEST


def _differ(row: Run, total: float, wall: float) -> bool:
    """Whether the wall clock was set since."""
    return abs((wall - row.wall) - (total - row.total)) > _SET
