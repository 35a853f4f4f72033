"""The files of the page: read once, when it is first asked for, and public.

    files = StaticFiles()
    files.get("/static/app.css")  ->  StaticFile(b"…", "text/css; charset=utf-8", '"3f…"')

Rules: what is served is what was there when the first was asked for, by its exact name: no name
from outside becomes a path.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final, NamedTuple

FOLDER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}


class StaticFile(NamedTuple):
    """One file: what is in it, of what type, and a tag that changes with it."""

    data: bytes
    type: str
    tag: str


class StaticFiles:
    """Those in `folder`, and in the folders in it."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = folder
        self._files: dict[str, StaticFile] = {}

    def get(self, path: str) -> StaticFile | None:
        """The file at this path of an address; `/` is the page."""
        if not self._files:
            self._read(self._folder)
        return self._files.get("/static/index.html" if path == "/" else path)

    def _read(self, folder: str) -> None:
        for where, _, names in os.walk(folder):
            for name in names:
                kind = _TYPES.get(os.path.splitext(name)[1])
                if kind is not None:
                    path = os.path.join(where, name)
                    below = os.path.relpath(path, folder).replace(os.sep, "/")
                    with open(path, "rb") as file:
                        data = file.read()
                    tag = f'"{sha256(data).hexdigest()[:32]}"'
                    self._files[f"/static/{below}"] = StaticFile(data, kind, tag)
