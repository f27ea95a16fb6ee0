"""Totals over the whole log: the turnover report and the trial balance, by parallel workers.

Both take each account's events in effective order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from services.ledger.domain.double_entry import ADVANCES, postings
from services.ledger.domain.double_entry import PENALTY as PENALTY_OWED
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.penalties.law import law_in_force
from services.ledger.replay.parallel import Progress, Range, quiet
from services.ledger.replay.streams import account_streams, new_sums, over_streams
from services.ledger.reports.turnover import ADVANCE, PENALTY, Row, Turnover
from shared.cooperation import cooperatively
from shared.eventstore.postgres import PostgresStore
from shared.money import Kopecks


class TurnoverReport(msgspec.Struct):
    """Turnover by service, and the double-entry books as of its last day."""

    rows: dict[str, Row]
    books: dict[str, Kopecks]

    @property
    def total(self) -> Row:
        """Return the sums of the columns."""
        total = Row()
        for row in self.rows.values():
            _add_row(total, row)
        return total

    def differences(self) -> Iterator[tuple[str, Kopecks, Kopecks]]:
        """Yield (row, closing balance, balance of the books) where the two differ.

        They come from different code: one adds up columns, the other debits and credits.
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
) -> TurnoverReport:
    """Return the turnover of all accounts between two days."""
    work = partial(_turnover_of_range, first_day=first_day, last_day=last_day)
    return added_up(over_streams(store, work, progress))


def added_up(reports: Iterable[TurnoverReport]) -> TurnoverReport:
    """Return the sums of reports of different accounts over the same days."""
    total = TurnoverReport({}, new_sums())
    for part in reports:
        for name, row in part.rows.items():
            _add_row(total.rows.setdefault(name, Row()), row)
        _add(total.books, part.books)
    return total


def turnover_of_account(
    id_: UUID, events: Sequence[Any], first_day: date, last_day: date
) -> TurnoverReport:
    """Return the turnover of one account, from its whole stream."""
    turnover, books = Turnover(first_day, last_day), new_sums()
    _count(id_, events, turnover, books, last_day)
    return TurnoverReport(dict(turnover.rows), dict(books))


def trial_balance_of(
    store: PostgresStore, on: date | None = None, progress: Progress = quiet
) -> dict[str, Kopecks]:
    """Return the books as of the end of a day, or of the whole log: account -> debit."""
    total = new_sums()
    for part in over_streams(store, partial(_books_of_range, on=on), progress):
        _add(total, part)
    return dict(sorted(total.items()))


def _turnover_of_range(
    connection: psycopg.Connection[Any],
    part: Range,
    progress: Progress,
    *,
    first_day: date,
    last_day: date,
) -> TurnoverReport:
    turnover, books = Turnover(first_day, last_day), new_sums()
    for id_, events in account_streams(connection, part, progress):
        _count(id_, events, turnover, books, last_day)
    return TurnoverReport(dict(turnover.rows), dict(books))


def _books_of_range(
    connection: psycopg.Connection[Any], part: Range, progress: Progress, *, on: date | None
) -> dict[str, Kopecks]:
    books = new_sums()
    for id_, events in account_streams(connection, part, progress):
        if on is None:
            _post(events, books)
        else:
            _post(
                (
                    event
                    for event in in_effective_order(id_, events, law_in_force())
                    if event.effective_on <= on
                ),
                books,
            )
    return dict(books)


def _count(
    id_: UUID,
    events: Sequence[Any],
    turnover: Turnover,
    books: dict[str, Kopecks],
    last_day: date,
) -> None:
    in_order = in_effective_order(id_, events, law_in_force())
    turnover.add(cooperatively(in_order))
    _post((event for event in cooperatively(in_order) if event.effective_on <= last_day), books)


def _post(events: Iterable[Any], books: dict[str, Kopecks]) -> None:
    for event in events:
        for account, amount in postings(event):
            books[account] += amount


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
