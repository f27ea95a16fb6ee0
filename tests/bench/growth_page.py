"""The page of growth: measured points, their table in README.md, and their curves as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
POINTS, PICTURE, README = (FOLDER / name for name in ("growth.json", "growth.svg", "README.md"))
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
AXES = {
    "events": "events in the log",
    "stream": "events of one account",
    "connections": "open connections at rest",
    "subscribers": "bound queues",
}
WANTED = {"events": (10_000, 100_000, 1_000_000, 10_000_000)}
"""Points that belong on the page; those that are not measured are shown as missing."""
NOT_MEASURED = "–"

WIDTH, HEIGHT, COLUMNS = 300, 180, 3
LEFT, TOP, RIGHT, BOTTOM = 52, 34, 14, 30


class Point(msgspec.Struct, frozen=True, order=True):
    """One figure: what a cost is at one size, on which day, at which load of the machine."""

    axis: str
    cost: str
    unit: str
    size: int
    figure: float
    day: str
    load: int


def read_points() -> list[Point]:
    """Return the points that were measured, in no order."""
    return msgspec.json.decode(POINTS.read_bytes(), type=list[Point]) if POINTS.exists() else []


def add_points(new: Iterable[Point]) -> None:
    """Keep points; each replaces one of the same cost and size."""
    points = {(p.axis, p.cost, p.size): p for p in [*read_points(), *new]}
    lines = ",\n".join(msgspec.json.encode(point).decode() for point in sorted(points.values()))
    POINTS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def write_page() -> None:
    """Write the picture, and the tables in the place of the former ones."""
    points = read_points()
    PICTURE.write_text(picture(points), encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n\n{tables(points)}\n{END}{after}", encoding="utf-8")


def tables(points: Sequence[Point]) -> str:
    """Return a table for each axis: a row for each cost, a column for each size."""
    parts = []
    for axis, title in AXES.items():
        mine = [point for point in points if point.axis == axis]
        sizes = sorted({point.size for point in mine} | set(WANTED.get(axis, ())))
        if not sizes:
            continue
        head = [title, *(_grouped(size) for size in sizes)]
        rows = [head, ["---", *["--:"] * len(sizes)]]
        for (cost, unit), same in groupby(sorted(mine), key=lambda p: (p.cost, p.unit)):
            by_size = {point.size: _rounded(point.figure) for point in same}
            rows.append([f"{cost}, {unit}", *(by_size.get(size, NOT_MEASURED) for size in sizes)])
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")
        parts.append(_when(mine))
    return "\n".join(parts)


def _when(points: Sequence[Point]) -> str:
    """Return when points were measured, and beside what else."""
    days, loads = sorted({p.day for p in points}), sorted({p.load for p in points})
    if not points:
        return "Not measured yet.\n"
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Measured {when}, at a load of {loads[0]} to {loads[-1]}.\n"


def picture(points: Sequence[Point]) -> str:
    """Return one small chart for each cost, both axes logarithmic, as SVG."""
    charts = [
        list(same) for _, same in groupby(sorted(points), key=lambda p: (p.axis, p.cost, p.unit))
    ]
    rows = -(-len(charts) // COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * WIDTH}"',
        f'     height="{rows * HEIGHT}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, chart in enumerate(charts):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_chart(chart)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _chart(points: Sequence[Point]) -> str:
    first = points[0]
    wanted = WANTED.get(first.axis, ())
    # One more, so that none has a place.
    across = _scale(
        [1 + size for size in (*(p.size for p in points), *wanted)], LEFT, WIDTH - RIGHT
    )
    # At least a decade high, so that what does not grow looks flat.
    figures = [p.figure for p in points]
    middle = math.sqrt(min(figures) * max(figures))
    up = _scale([*figures, middle / 3.2, middle * 3.2], HEIGHT - BOTTOM, TOP)
    places = [(across(1 + p.size), up(p.figure)) for p in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [
        f'<text x="{LEFT}" y="16" font-weight="bold">{escape(first.cost)}, {first.unit}</text>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>',
        f'<polyline points="{line}" fill="none" stroke="#1d70b8" stroke-width="2"/>',
        _text(WIDTH - RIGHT, HEIGHT - 3, AXES[first.axis], "end", "#555"),
    ]
    for point, (x, y) in zip(points, places, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1d70b8"/>')
        parts.append(_text(x, y - 7, _rounded(point.figure), "middle", "black"))
    for size in sorted({p.size for p in points} | set(wanted)):
        parts.append(_text(across(1 + size), HEIGHT - BOTTOM + 13, _short(size), "middle", "#555"))
    return "".join(parts)


def _text(x: float, y: float, words: str, anchor: str, fill: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    logs = [math.log10(max(value, 0.1)) for value in values]
    low, span = min(logs), (max(logs) - min(logs)) or 1.0
    return lambda value: start + (math.log10(max(value, 0.1)) - low) / span * (end - start)


def _rounded(figure: float) -> str:
    return _grouped(round(figure)) if figure >= 100 else f"{figure:.3g}"


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _short(size: int) -> str:
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit:
            return f"{size // unit}{name}"
    return str(size)
