"""How the cost grows, as a picture: from the results of the benchmarks to an SVG file.

python -m benchmarks --json results.json
python -m benchmarks.plot results.json docs/performance.svg
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import OURS, PLAIN, REDIS

WIDTH, HEIGHT, MARGIN = 330, 230, 46
COLOURS = {OURS: "#1565c0", PLAIN: "#c62828", REDIS: "#757575"}
PANELS = (
    ("PUB one by one: us CPU a delivery, by peers", "Fan-out", "one by one", "delivery"),
    ("PUB in bursts: us CPU a delivery, by peers", "Fan-out", "burst", "delivery"),
    ("SEND: us CPU a message, by bytes", "Message size", "SEND", "message"),
    ("Bytes of memory a connection, by peers", "Connections", "peers", "bytes"),
    ("REGISTER: us CPU, by names registered", "Rendezvous", "REGISTER", "request"),
    ("DISCOVER of all: us CPU, by names registered", "Rendezvous", "of all", "request"),
)
Curves = dict[str, list[tuple[float, float]]]


def curves(rows: list[dict[str, Any]], section: str, what: str, unit: str) -> Curves:
    """The points of each program, of the rows whose names hold these words."""
    found: Curves = {}
    for row in rows:
        if row["section"] == section and what in row["what"] and unit in row["unit"]:
            for name, value in row["medians"].items():
                if value > 0:
                    found.setdefault(name, []).append((row["at"], value))
    return {name: sorted(points) for name, points in found.items()}


def panel(title: str, found: Curves, left: float, top: float) -> list[str]:
    """One diagram, both axes logarithmic, in full powers of ten."""
    every = [point for points in found.values() for point in points]
    spans = []
    for axis in (0, 1):
        logs = [math.log10(point[axis]) for point in every]
        low, high = math.floor(min(logs)), math.ceil(max(logs))
        spans.append((low, max(high, low + 1)))

    def place(axis: int, value: float) -> float:
        low, high = spans[axis]
        share = (math.log10(value) - low) / (high - low)
        if axis == 0:
            return left + MARGIN + share * (WIDTH - MARGIN - 26)
        return top + HEIGHT - 30 - share * (HEIGHT - 66)

    parts = [_text(left + 8, top + 18, title, "start", weight="bold")]
    for axis in (0, 1):
        for power in range(spans[axis][0], spans[axis][1] + 1):
            at, label = place(axis, 10.0**power), f"{10.0**power:,g}"
            if axis == 0:
                ends = (at, top + 36, at, top + HEIGHT - 30)
                parts.append(_text(at, top + HEIGHT - 14, label, "middle"))
            else:
                ends = (left + MARGIN, at, left + WIDTH - 14, at)
                parts.append(_text(left + MARGIN - 5, at + 4, label, "end"))
            parts.append('<line x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}"/>'.format(*ends))
    for name, points in found.items():
        where = [(place(0, x), place(1, y)) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
        colour = COLOURS[name]
        parts.append(f'<polyline points="{line}" stroke="{colour}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in where]
    return parts


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{text}</text>'


def draw(rows: list[dict[str, Any]]) -> str:
    """All diagrams, three in a row, and what the colours mean."""
    width, height = 3 * WIDTH, 2 * HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text{font:11px sans-serif}line{stroke:#ddd}polyline{fill:none;stroke-width:2}"
        "</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (title, *words) in enumerate(PANELS):
        found = curves(rows, *words)
        if found:
            parts += panel(title, found, number % 3 * WIDTH, number // 3 * HEIGHT)
    for number, (name, colour) in enumerate(COLOURS.items()):
        x, y = 40 + number * 130, 2 * HEIGHT + 18
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{colour}"/>')
        parts.append(_text(x + 10, y, name, "start"))
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """From the file that the first argument names to the second."""
    source, target = map(Path, sys.argv[1:3])
    target.write_text(draw(json.loads(source.read_text())))


if __name__ == "__main__":
    main()
