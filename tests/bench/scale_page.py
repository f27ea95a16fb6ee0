"""The page of scale: measured figures, how they grow, and what is reckoned from them.

A figure is measured; a growth is the exponent between two sizes: 1 means in proportion, 2 the
square. What is reckoned is in :mod:`tests.bench.scale_reckoning`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from tests.bench.scale_measure import BLOCK, Figure
from tests.bench.scale_reckoning import bytes_of, reckon

FIGURES = Path(__file__).parent / "scale.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
MEASURED = ("<!-- measured: begin -->", "<!-- measured: end -->")
RECKONED = ("<!-- reckoned: begin -->", "<!-- reckoned: end -->")
IN_PROPORTION = 1.15
"""An exponent beyond this, between sizes that are ten times apart, is more than noise."""


def growth(before: Figure, after: Figure) -> float:
    """Return the exponent with which the CPU of both sides has grown with what is gone over.

    Time, where the CPU is not known.
    """
    one, other = (figure.client_cpu + figure.server_cpu for figure in (before, after))
    if not one or not other:
        one, other = before.seconds, after.seconds
    if _is_disk(after) and not other:
        one, other = float(before.disk_bytes), float(after.disk_bytes)
    if not one or not other or before.count == after.count:
        return math.nan
    return math.log(other / one) / math.log(after.count / before.count)


def add_figures(new: Iterable[Figure]) -> None:
    """Keep figures; each replaces one of the same step and number of accounts."""
    figures = {(one.step, one.accounts): one for one in [*read_figures(), *new]}
    ordered = sorted(figures.values(), key=lambda one: one.accounts)
    lines = ",\n".join(msgspec.json.encode(one).decode() for one in ordered)
    FIGURES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read_figures() -> list[Figure]:
    """Return the figures that were measured."""
    if not FIGURES.exists():
        return []
    return msgspec.json.decode(FIGURES.read_bytes(), type=list[Figure])


def write_page() -> None:
    """Write the tables of docs/scale.md in the place of the former ones."""
    figures, text = read_figures(), PAGE.read_text(encoding="utf-8")
    text = _between(text, MEASURED, table(of_page(figures)))
    text = _between(text, RECKONED, reckoned(figures))
    PAGE.write_text(text, encoding="utf-8")


def of_page(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures that are shown: of the months that are built alike, the last alone."""
    last: dict[str, str] = {}
    for one in figures:
        last[_kind(one)] = max(last.get(_kind(one), ""), one.step)
    return [one for one in figures if last[_kind(one)] == one.step]


def _kind(one: Figure) -> str:
    return re.sub(r"-\d+$", "", one.step)


def _between(text: str, marks: tuple[str, str], table: str) -> str:
    before, _, rest = text.partition(marks[0])
    after = rest.partition(marks[1])[2]
    return f"{before}{marks[0]}\n\n{table}\n{marks[1]}{after}"


_HEAD = (
    "| step | events | time | CPU of one, ours + PostgreSQL, µs | peak, ours RSS / PSS "
    "| PostgreSQL | log read | one read | WAL of one | disk of one | grows | load |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)


def table(figures: Sequence[Figure]) -> str:
    """Return the measured figures as a table of Markdown: each step with all its sizes."""
    order = {step: place for place, step in enumerate(dict.fromkeys(one.step for one in figures))}
    ordered = sorted(figures, key=lambda one: (order[one.step], one.accounts))
    rows = []
    for _, of_step in groupby(ordered, key=lambda one: one.step):
        before: Figure | None = None
        for one in of_step:
            rows.append(_row(one, before))
            before = one
    return _HEAD + "".join(rows) + "".join(f"\n{line}\n" for line in _when(figures))


def _when(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield where and when the figures were measured, and at which loads."""
    for machine in dict.fromkeys(one.machine for one in figures):
        there = [one for one in figures if one.machine == machine]
        days = sorted({one.day for one in there})
        loads = sorted(round(one.load) for one in there)
        when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        yield f"Measured {when} on {machine}, at a load of {loads[0]} to {loads[-1]}."


def _row(one: Figure, before: Figure | None) -> str:
    grows = "" if before is None else _exponent(growth(before, one))
    cells = (
        f"{one.step}, {_per(one)}",
        f"{one.events:,}",
        _time(one),
        _cpu(one),
        f"{one.client_rss:,.0f} / {one.client_pss:,.0f} MiB" if one.client_rss else "",
        f"{one.server_pss:,.0f} MiB" if one.server_pss else "",
        f"{one.log_times:.1f} times" if one.log_times >= 0.05 else "",
        bytes_of(one.read_size) if one.reads else "",
        bytes_of(one.wal_bytes / one.count) if one.count and one.wal_bytes > BLOCK else "",
        bytes_of(one.disk_bytes / one.count) if _is_disk(one) else "",
        grows,
        f"{one.load:.0f}",
    )
    return f"| {' | '.join(cells)} |\n"


def _per(one: Figure) -> str:
    return f"{one.count:,} {one.per}{'s' if one.count != 1 else ''}"


def _is_disk(one: Figure) -> bool:
    return one.step.startswith("disk") or one.step == "backup"


def _time(one: Figure) -> str:
    if not one.seconds:
        return ""
    if one.milliseconds:
        return f"{one.milliseconds:.1f} ms, slowest 5 % {one.slowest:.1f}"
    return f"{one.seconds:,.0f} s" if one.seconds >= 10 else f"{one.seconds:.1f} s"


def _cpu(one: Figure) -> str:
    if not one.count or not one.client_cpu + one.server_cpu:
        return ""
    ours, server = (cpu / one.count * 1e6 for cpu in (one.client_cpu, one.server_cpu))
    return f"{ours:,.0f} + {server:,.0f}"


def _exponent(found: float) -> str:
    if math.isnan(found):
        return ""
    return f"**{found:.2f}**" if found > IN_PROPORTION else f"{found:.2f}"


def reckoned(figures: Sequence[Figure]) -> str:
    """Return the arithmetic to a city as a table."""
    rows = [
        f"| {one.what} | {one.how} | {one.result} | {one.beside} |\n" for one in reckon(figures)
    ]
    heads = "| what | how | reckoned | the largest took, of its CPU on free cores |\n"
    return "".join((heads, "|---|---|--:|---|\n", *rows))
