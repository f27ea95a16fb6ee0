"""Sums over the whole log: the turnover balance sheet and the trial balance, on all cores.

Both add events up and need no order, so the log is read in pieces as it lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

import msgspec
import psycopg

from services.ledger.approvals import PROPOSAL_TOPICS
from services.ledger.cores import (
    REPORT_EVERY,
    Progress,
    Range,
    conninfo_of,
    over_ranges,
    position_ranges,
    quiet,
)
from services.ledger.domain import EVENTS
from services.ledger.postings import ADVANCES, postings
from services.ledger.postings import PENALTY as PENALTY_OWED
from services.ledger.streams import new_sums
from services.ledger.turnover import ADVANCE, PENALTY, Row, Turnover
from shared.eventstore.postgres import PostgresStore
from shared.money import Kopecks

_EVENTS = (
    "COPY (SELECT topic, state FROM events WHERE notification_id BETWEEN %s AND %s) "
    "TO STDOUT (FORMAT BINARY)"
)


class Sheet(msgspec.Struct):
    """Turnover by service, and beside it the books by double entry as of its last day."""

    rows: dict[str, Row]
    books: dict[str, Kopecks]

    @property
    def total(self) -> Row:
        """Answer the sums of the columns."""
        total = Row()
        for row in self.rows.values():
            _add_row(total, row)
        return total

    def differences(self) -> Iterator[tuple[str, Kopecks, Kopecks]]:
        """Yield (row, its closing balance, what the books say) where they do not agree.

        The two are made by different code: one adds up columns, the other debits and credits.
        """
        total = 0
        for name in sorted(self.rows.keys() | _rows_of(self.books)):
            row, owed = self.rows.get(name, Row()), self.books.get(_book_of(name), 0)
            total += owed
            if row.closing != owed:
                yield name, row.closing, owed
        if self.total.closing != total:
            yield "total", self.total.closing, total


def turnover_of(
    store: PostgresStore, first_day: date, last_day: date, progress: Progress = quiet
) -> Sheet:
    """Answer the turnover of all accounts in a span of days."""
    work = partial(_turnover_of_range, first_day=first_day, last_day=last_day)
    total = Sheet({}, new_sums())
    for part in _over_log(store, work, progress):
        for name, row in part.rows.items():
            _add_row(total.rows.setdefault(name, Row()), row)
        _add(total.books, part.books)
    return total


def turnover_of_events(events: Iterable[Any], first_day: date, last_day: date) -> Sheet:
    """Answer the turnover of some events, those of one account."""
    turnover, books = Turnover(first_day, last_day), new_sums()
    for event in events:
        turnover.add(event)
        if event.effective_on <= last_day:
            for account, amount in postings(event):
                books[account] += amount
    return Sheet(dict(turnover.rows), dict(books))


def trial_balance_of(
    store: PostgresStore, on: date | None = None, progress: Progress = quiet
) -> dict[str, Kopecks]:
    """Answer the books as of the end of a day, or by all that is in the log: account -> debit."""
    total = new_sums()
    for part in _over_log(store, partial(_books_of_range, on=on or date.max), progress):
        _add(total, part)
    return dict(sorted(total.items()))


def _over_log(store: PostgresStore, work: Any, progress: Progress) -> Iterator[Any]:
    last = store.recorder.max_notification_id() or 0
    return over_ranges(work, conninfo_of(store), position_ranges(last), last, progress)


def _turnover_of_range(
    connection: psycopg.Connection[Any],
    part: Range,
    progress: Progress,
    *,
    first_day: date,
    last_day: date,
) -> Sheet:
    return turnover_of_events(_events(connection, part, progress), first_day, last_day)


def _books_of_range(
    connection: psycopg.Connection[Any], part: Range, progress: Progress, *, on: date
) -> dict[str, Kopecks]:
    books = new_sums()
    for event in _events(connection, part, progress):
        if event.effective_on <= on:
            for account, amount in postings(event):
                books[account] += amount
    return dict(books)


def _events(
    connection: psycopg.Connection[Any], part: Range, progress: Progress
) -> Iterator[Any]:
    decode, count = EVENTS.decode, 0
    with connection.cursor() as cursor, cursor.copy(_EVENTS, (part.first, part.last)) as copy:
        copy.set_types(["text", "bytea"])
        for topic, state in copy.rows():
            count += 1
            if count % REPORT_EVERY == 0:
                progress(REPORT_EVERY)
            if topic not in PROPOSAL_TOPICS:
                yield decode(topic, state)
    progress(count % REPORT_EVERY)


def _add_row(total: Row, row: Row) -> None:
    for column in msgspec.structs.fields(Row):
        setattr(total, column.name, getattr(total, column.name) + getattr(row, column.name))


def _add(total: dict[str, Kopecks], part: Mapping[str, Kopecks]) -> None:
    for account, amount in part.items():
        total[account] += amount


def _rows_of(books: Mapping[str, Kopecks]) -> set[str]:
    services = {
        name.removeprefix("receivable:") for name in books if name.startswith("receivable:")
    }
    return services | ({ADVANCE} if ADVANCES in books else set())


def _book_of(row: str) -> str:
    if row == ADVANCE:
        return ADVANCES
    return PENALTY_OWED if row == PENALTY else f"receivable:{row}"
