"""Arithmetic from the measured cities to one of 40 million accounts.

What one more costs is the difference between the two largest cities, so that the start of a command
is not multiplied. Assumed is that it goes on in proportion, on cores that do nothing else; how many
times as long the largest city took beside the load of its machine is told. Assumed, and not
measured, is what a disk gives of random reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from tests.bench.scale_measure import Figure

CITY, BOOK = 40_000_000, 1_000_000
"""Accounts of the whole, and of one book of it."""
YEARS, BILLS, PAYMENTS = 5, 12, 12
SERVERS, READS_A_SECOND = 10, 10_000
"""Assumed: as many servers, each of whose disks gives as many random reads."""
HOUR = 3_600.0
CORES = {"rebuild": 2, "audit": 2, "verify": 1}
"""How many cores a step keeps busy where it has two."""
_OVER_THE_LOG = {
    "rebuild": "a full replay",
    "audit": "an audit",
    "verify": "a verification of the seal",
}


class Reckoned(NamedTuple):
    """A line of the arithmetic: what, how it follows from measured costs, and the result.

    ``beside`` is how many times as long the largest city has taken, and at which load.
    """

    what: str
    how: str
    result: str
    beside: str = ""


def events_a_year(accounts: int) -> int:
    """Return how many events the accounts have in a year: bills and payments."""
    return accounts * (BILLS + PAYMENTS)


def cpu_of(one: Figure) -> float:
    """Return the seconds of CPU of both sides."""
    return one.client_cpu + one.server_cpu


def one_more(
    of_step: Sequence[Figure], cost: Callable[[Figure], float], count: Callable[[Figure], int]
) -> float:
    """Return what one more costs, by the two largest cities; by one city where there is no other.

    Where the larger one has cost less, which is chance, it is the average of that one.
    """
    *before, largest = sorted(of_step, key=lambda one: one.accounts)
    if before:
        more = cost(largest) - cost(before[-1])
        if more > 0 and count(largest) > count(before[-1]):
            return more / (count(largest) - count(before[-1]))
    return cost(largest) / count(largest)


def reckon(figures: Sequence[Figure]) -> Iterator[Reckoned]:
    """Yield the lines that the figures are enough for."""
    by: dict[str, list[Figure]] = {}
    for one in figures:
        by.setdefault(one.step, []).append(one)
    year = events_a_year(BOOK)
    yield Reckoned("books", f"{CITY:,} accounts / {BOOK:,}", f"{CITY // BOOK}")
    yield Reckoned("events of a book in a year", f"{BOOK:,} x ({BILLS} + {PAYMENTS})", f"{year:,}")
    yield from chain(
        _billing(by), _payments(by), _over_the_log(by), _penalties(by), _disk(by), _restore(by)
    )


def times_as_long(found: Sequence[Figure], cores: int) -> str:
    """Return how many times its CPU on as many free cores the largest city has taken."""
    largest = max(found, key=lambda one: one.accounts)
    times = largest.seconds * cores / cpu_of(largest)
    return f"{times:.1f} times, at a load of {largest.load:.0f}"


def _last_month(by: dict[str, list[Figure]], step: str) -> list[Figure]:
    """Return the figures of a monthly step's last month, of which the log is largest."""
    return by[max(found)] if (found := [one for one in by if one.startswith(step)]) else []


def _billing(by: dict[str, list[Figure]]) -> Iterator[Reckoned]:
    if not (found := _last_month(by, "bills-")):
        return
    each = one_more(found, cpu_of, _count)
    took, books = BOOK * each / 2, CITY // BOOK
    how = f"{BOOK:,} bills x {each * 1e6:.0f} µs / 2"
    beside = times_as_long(found, 2)
    yield Reckoned("a billing run of a book, on two cores", how, span(took), beside)
    what = f"a billing run of all books on {SERVERS} such servers"
    yield Reckoned(
        what, f"{books} / {SERVERS} runs one after another", span(took * books / SERVERS)
    )


def _payments(by: dict[str, list[Figure]]) -> Iterator[Reckoned]:
    if not (found := _last_month(by, "payments-")):
        return
    each = one_more(found, cpu_of, _count)
    what = "payments of a book in a second, fifty in a call, on two cores"
    how = f"2 / {each * 1e6:.0f} µs"
    yield Reckoned(what, how, f"{2 / each:,.0f}", times_as_long(found, 2))


def _over_the_log(by: dict[str, list[Figure]]) -> Iterator[Reckoned]:
    log = YEARS * events_a_year(BOOK)
    for step, what in _OVER_THE_LOG.items():
        if found := by.get(step):
            each, cores = one_more(found, cpu_of, _count), CORES[step]
            on = "two cores" if cores == 2 else "one core"
            how = f"{log:,} events x {each * 1e6:.0f} µs / {cores}"
            whole = f"{what} of a book of {YEARS} years, on {on}"
            beside = times_as_long(found, cores)
            yield Reckoned(whole, how, span(log * each / cores), beside)
    if found := by.get("rebuild from the disk"):
        each = one_more(found, lambda one: one.reads, _count)
        size = max(one.events for one in found)
        how = (
            f"{log:,} events x {each:.2f} reads (at {size:,} events from the disk)"
            f" / {READS_A_SECOND:,} a second, assumed"
        )
        what = "the reads of that replay, where the log is not in memory"
        yield Reckoned(what, how, span(log * each / READS_A_SECOND))


def _penalties(by: dict[str, list[Figure]]) -> Iterator[Reckoned]:
    if not (found := by.get("accrue-day")):
        return
    largest = max(found, key=lambda one: one.accounts)
    owing = largest.count * BOOK // largest.accounts
    each = one_more(found, cpu_of, _count)
    how = f"{owing:,} overdue x {each * 1e6:.0f} µs / 2"
    what, beside = "the penalties of a day of a book, on two cores", times_as_long(found, 2)
    yield Reckoned(what, how, span(owing * each / 2), beside)


def _disk(by: dict[str, list[Figure]]) -> Iterator[Reckoned]:
    log = YEARS * events_a_year(BOOK)
    for step, what in (("disk, events", "the log"), ("backup", "a base backup")):
        if found := by.get(step):
            each = one_more(found, lambda one: one.disk_bytes, lambda one: one.events)
            how = f"{log:,} events x {each:,.0f} B"
            yield Reckoned(f"{what} of a book of {YEARS} years", how, bytes_of(log * each))


def _restore(by: dict[str, list[Figure]]) -> Iterator[Reckoned]:
    if found := by.get("restore"):
        log = YEARS * events_a_year(BOOK)
        each = one_more(found, lambda one: one.seconds, lambda one: one.events)
        how = f"{log:,} events x {each * 1e6:.1f} µs, on this disk; not its audit"
        yield Reckoned(f"the restore of a book of {YEARS} years", how, span(log * each))


def _count(one: Figure) -> int:
    return one.count


def span(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def bytes_of(size: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1_024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if size >= 100 or unit == "B" else f"{size:,.1f} {unit}"
        size /= 1_024
    raise AssertionError
