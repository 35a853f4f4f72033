"""The name of a day, as the person's language writes it: no locale of the system is asked."""

from __future__ import annotations

import time
from typing import Final

from p2pchat.speech import N_, _

_WEEKDAYS: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)


def day_name(at: float) -> str:
    """The day of a moment (seconds since 1970), where we are: `Monday, 30 November 2026`."""
    day = time.localtime(at)
    # Words between the numbers go with the month: `de novembro de`.
    weekday, month = _(_WEEKDAYS[day.tm_wday]), _(_MONTHS[day.tm_mon - 1])
    return f"{weekday}, {day.tm_mday:02} {month} {day.tm_year}"
