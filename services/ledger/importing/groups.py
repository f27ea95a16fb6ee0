"""Rows that stand or fall together: the lines of a bill, the services of an opening balance.

Adjacent rows with the same key are one entry. If one of them cannot be read the whole entry is
refused: a bill without one of its lines would be a wrong bill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from services.ledger.importing.kinds import Source
from services.ledger.importing.partial_rows import is_empty, is_whole, key_finder
from shared.money import Kopecks
from shared.tablefiles import CUT, Fields

MAX_ROWS = 1_000
"""Rows of one entry: no bill has as many services."""


class Entry(msgspec.Struct, kw_only=True):
    """What some rows of a file make together: from ``row`` to ``last``, ``rows`` of them not blank.

    ``start`` is its first byte, ``end`` the byte after it; ``amount`` is what it adds to the
    control total, in kopecks.
    """

    row: int
    last: int
    start: int
    end: int
    rows: int
    account: str
    amount: Kopecks


E = TypeVar("E", bound=Entry)


class Refused(msgspec.Struct, kw_only=True):
    """Rows that go to the quarantine.

    ``code`` counts them by kind; ``reasons`` holds those of single rows, ``reason`` is that of
    all others.
    """

    row: int
    last: int
    start: int
    end: int
    rows: int
    code: str
    reason: str
    reasons: dict[int, str] = {}
    amount: Kopecks = 0
    entries: int = 1

    @classmethod
    def because(cls, entry: Entry, code: str, reason: str) -> Refused:
        """Refuse an entry as a whole."""
        return cls(
            row=entry.row,
            last=entry.last,
            start=entry.start,
            end=entry.end,
            rows=entry.rows,
            code=code,
            reason=reason,
            amount=entry.amount,
        )


class RowsRefused(Exception):  # noqa: N818 - a refusal, named as people say it
    """Wrong rows of an entry: row -> why; ``amount`` is as much of the sum as could be read."""

    def __init__(self, reasons: dict[int, str], amount: Kopecks = 0) -> None:
        super().__init__(*reasons.values())
        self.reasons = reasons
        self.amount = amount


class Group:
    """The rows of one entry: ``read`` holds the readable ones, ``bad`` why others are not."""

    __slots__ = ("bad", "end", "key", "last", "read", "row", "rows", "start")

    def __init__(self, key: Fields | None, row: int, start: int) -> None:
        self.key = key
        self.row = self.last = row
        self.start = self.end = start
        self.rows = 0
        self.read: list[tuple[int, Fields]] = []
        self.bad: dict[int, str] = {}

    def spoil(self, row: int, reason: str) -> None:
        """Note why a row cannot be read; of very many only the first are kept."""
        if len(self.bad) < MAX_ROWS:
            self.bad[row] = reason

    def refused(self, code: str, reasons: dict[int, str], amount: Kopecks = 0) -> Refused:
        """Return the whole group as refused because of some of its rows."""
        row, reason = next(iter(reasons.items()))
        return Refused(
            row=self.row,
            last=self.last,
            start=self.start,
            end=self.end,
            rows=self.rows,
            code=code,
            reason=reason if self.rows == 1 else f"refused because of row {row}: {reason}",
            reasons=reasons,
            amount=amount,
            entries=0 if self.key is None else 1,
        )


class Entries(Generic[E]):
    """The entries of a file, in its order, and the refused rows between them."""

    def __init__(self, source: Source, read: Callable[[Group], E]) -> None:
        self._source = source
        self._read = read

    def after(self, offset: int, row: int) -> Iterator[E | Refused]:
        """Yield entries and refusals from a byte on, which begins the row after ``row``."""
        for group in groups(self._source, offset, row):
            if group.bad:
                code = "file_cut" if CUT in group.bad.values() else "unreadable"
                yield group.refused(code, group.bad)
            elif group.rows > MAX_ROWS:
                reason = f"{group.rows} rows have the same key; up to {MAX_ROWS} are one entry"
                yield group.refused("too_many_rows", {group.row: reason})
            else:
                try:
                    entry = self._read(group)
                except RowsRefused as error:
                    yield group.refused("invalid", error.reasons, error.amount)
                else:
                    yield entry


def groups(
    source: Source, offset: int, row: int, skip: Callable[[], None] = lambda: None
) -> Iterator[Group]:
    """Yield the rows of a file grouped by their key, and call ``skip`` for each of empty cells.

    A row that shows no key is refused alone, unless it stands among the rows of one entry, or is
    the end of a file that was cut: then nobody knows what the entry should have been.
    """
    current: Group | None = None
    strays: list[Group] = []
    find_key, width = key_finder(source), source.kind.key
    for number, start, end, raw, fields, found in source.rows(offset, row):
        if is_empty(source, raw):
            skip()
            continue
        flaw = "" if found == CUT and fields and is_whole(source, raw) else found
        key = fields[:width] if fields else find_key(raw)
        if current is None or key != current.key:
            if key is None and len(strays) < MAX_ROWS:
                strays.append(_lone(number, start, end, flaw))
                continue
            if current is not None:
                yield current
            yield from strays
            strays.clear()
            current = Group(key, number, start)
        elif strays:
            _swallow(current, strays)
        current.last, current.end = number, end
        current.rows += 1
        if flaw:
            current.spoil(number, flaw)
        elif current.rows <= MAX_ROWS:
            current.read.append((number, fields))
    if current is not None:
        if strays and CUT in strays[-1].bad.values():
            current.spoil(strays[-1].row, CUT)
        yield current
    yield from strays


def _lone(number: int, start: int, end: int, flaw: str) -> Group:
    group = Group(None, number, start)
    group.end, group.rows = end, 1
    group.spoil(number, flaw)
    return group


def _swallow(current: Group, strays: list[Group]) -> None:
    for stray in strays:
        current.rows += 1
        for row, reason in stray.bad.items():
            current.spoil(row, reason)
    strays.clear()
