"""The id of a request that is no JSON: whoever sent it waits for an answer with that id.

    {"id":7,"do":"send","text":"he said "hi""}   ->  {"id": 7}
    {"do":"send","more":{"id":7},}               ->  {}

Rules: careful, for a wrong id would answer another request. It is that of the outermost object, a
whole number or a whole string. Only when quotes are missing, so that nobody can tell what is inside
of which string, one that is there exactly once counts as well. A line takes a few ms at most.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, Final

_MOST: Final = 4000
"""Strings and brackets that are looked at."""
_token: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?P<end>"|\\?\Z)|[{}\[\]]', re.DOTALL).finditer
_VALUE: Final = r'\s*:\s*(-?\d{1,30}(?:\.\d{1,30})?(?=[\s,}])|"(?:[^"\\]|\\.){0,1000}")'
_value: Final = re.compile(_VALUE).match
_anywhere: Final = re.compile(r'(?<!\\)"id"' + _VALUE).finditer


def id_in(line: str) -> dict[str, Any]:
    """`{"id": …}` if one can be found in a line, else an empty dict."""
    depth, whole = 0, True
    for found in islice(_token(line), _MOST):
        token = found[0]
        if token in ("{", "["):
            depth += 1
        elif token in ("}", "]"):
            depth -= 1
        elif found["end"] != '"':
            whole = False
        elif depth == 1 and _said(token) == "id":
            value = _value(line, found.end())
            if value is not None:
                return _id(value[1])
    once = [] if whole else [*islice(_anywhere(line), 2)]
    return _id(once[0][1]) if len(once) == 1 else {}


def _id(token: str) -> dict[str, Any]:
    value = _said(token)
    return {} if value is None else {"id": value}


def _said(token: str) -> Any:
    try:
        return json.loads(token)
    except ValueError:
        return None
