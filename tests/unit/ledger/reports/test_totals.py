"""Totals over many accounts: the report, the books beside it, and their differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from trial_balance import trial_balance

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import law_in_force
from services.ledger.replay.parallel import Range
from services.ledger.reports import totals
from services.ledger.reports.totals import (
    TurnoverReport,
    trial_balance_of,
    turnover_of,
    turnover_of_account,
)
from services.ledger.reports.turnover import Row

DAY = date(2026, 10, 15)
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
AFTER = LAST + timedelta(days=1)
HALVES = [
    Range(UUID(int=0), UUID(int=1 << 127)),
    Range(UUID(int=1 + (1 << 127)), UUID(int=-1 % (1 << 128))),
]


def an_account(number: str, **owed: int) -> Account:
    """Opened in September with what was owed since July, billed and paid in October, paid after."""
    account = Account(account_id(number))
    account.law = law_in_force()
    opening = [ServiceAmount(service, amount) for service, amount in owed.items()]
    since = date(2026, 7, 1)
    account.open(number, "household", FIRST - timedelta(days=1), opening, due_on=since)
    lines = [
        ChargeLine("heating", "Отопление", 300, 350, recalculation=-20, concession=30),
        ChargeLine("water", "Вода", 70, 70),
    ]
    account.post_charges("2026-09", DAY, DAY, lines)
    account.post_payment(uuid4(), DAY, 150, 0)
    accrue(account, DAY, law_in_force())
    account.post_payment(uuid4(), AFTER, 5_000, 4)
    return account


ACCOUNTS = [
    an_account("0100000001", heating=1_000),
    an_account("0100000002", water=-40),
    an_account("0100000003", heating=700, lift=5),
]
STORE: Any = SimpleNamespace(name="the store")


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the log by the accounts, in two ranges; return a list for the progress."""
    counts: list[int] = []

    def over_streams(
        store: Any, work: Callable[..., Any], progress: Callable[[int], None]
    ) -> Iterator[Any]:
        assert store is STORE
        for half in HALVES:
            yield work(store, half, progress)

    def account_streams(
        connection: Any, part: Range, progress: Callable[[int], None]
    ) -> Iterator[tuple[UUID, list[Any]]]:
        assert connection is STORE
        for account in ACCOUNTS:
            if part.first <= account.id <= part.last:
                progress(len(account.pending))
                yield account.id, list(account.pending)

    monkeypatch.setattr(totals, "over_streams", over_streams)
    monkeypatch.setattr(totals, "account_streams", account_streams)
    return counts


def test_a_report_is_the_sum_of_its_accounts(progress: list[int]) -> None:
    whole = turnover_of(STORE, FIRST, LAST, progress.append)
    alone = [turnover_of_account(a.id, list(a.pending), FIRST, LAST) for a in ACCOUNTS]
    for name in ("heating", "water", "lift", "penalty", "advance"):
        rows = [report.rows[name] for report in alone if name in report.rows]
        expected = Counter[str]()
        for row in rows:
            expected.update(row.as_dict())
        assert whole.rows[name].as_dict() == expected
    assert set(whole.rows) == {"heating", "water", "lift", "penalty", "advance"}
    assert whole.books == {
        name: sum(report.books.get(name, 0) for report in alone) for name in whole.books
    }
    assert list(whole.differences()) == []
    assert sum(progress) == sum(len(account.pending) for account in ACCOUNTS)


def test_a_report_has_the_figures_of_all_accounts(progress: list[int]) -> None:
    whole = turnover_of(STORE, FIRST, LAST)
    assert whole.rows["heating"].as_dict() == {
        "opening": 1_700,
        "charged": 1_050,
        "recalculated": -60,
        "concession": 90,
        "penalty": 0,
        # By account: all for the opening; an advance at once, the rest pro rata with water; the
        # opening, pro rata with the lift.
        "paid": 150 + (32 + 122) + 149,
        "closing": whole.books["receivable:heating"],
    }
    assert whole.rows["penalty"].as_dict() | {"penalty": 0, "closing": 0} == Row().as_dict()
    # 106 days of 10.00 (19 and 12 kopecks) and of 7.05 (13 and 8).
    assert (whole.rows["penalty"].penalty, whole.rows["penalty"].closing) == (31 + 21, 31 + 21)
    assert (whole.rows["advance"].opening, whole.rows["advance"].closing) == (-40, 0)
    assert progress == []


def test_the_report_ends_with_its_last_day_and_so_do_its_books(progress: list[int]) -> None:
    whole = turnover_of(STORE, FIRST, AFTER)
    assert whole.total.closing == sum(a.principal + a.penalty - a.advance for a in ACCOUNTS)
    until = turnover_of(STORE, FIRST, LAST)
    # 17 days more at 1/130, of 8.50 and of 5.55.
    assert until.total.closing == whole.total.closing + 3 * 5_004 - (11 + 7)
    assert until.books["clearing"] == 3 * 150
    assert whole.books["clearing"] == 3 * 5_154


def test_the_trial_balance_includes_the_whole_log(progress: list[int]) -> None:
    books = trial_balance_of(STORE, progress=progress.append)
    events = [event for account in ACCOUNTS for event in account.pending]
    assert books == trial_balance(events)
    assert list(books) == sorted(books)
    assert sum(progress) == len(events)


def test_the_trial_balance_ends_with_its_day(progress: list[int]) -> None:
    books = trial_balance_of(STORE, LAST)
    assert books == turnover_of(STORE, FIRST, LAST).books
    assert sum(books.values()) == 0
    assert trial_balance_of(STORE, AFTER) == trial_balance_of(STORE)
    assert trial_balance_of(STORE, FIRST - timedelta(days=2)) == {}
    assert progress == []


def test_a_row_that_the_books_do_not_know_owes_nothing() -> None:
    assert list(TurnoverReport({"lift": Row()}, {}).differences()) == []
    assert list(TurnoverReport({"lift": Row(charged=1)}, {}).differences()) == [
        ("lift", 1, 0),
        ("total", 1, 0),
    ]


def test_an_advance_is_in_the_books_and_on_the_report() -> None:
    assert list(TurnoverReport({}, {"advances": -5}).differences()) == [
        ("advance", 0, -5),
        ("total", 0, -5),
    ]
    assert list(TurnoverReport({"advance": Row(paid=5)}, {"advances": -5}).differences()) == []
    # Books of other kinds have no row.
    assert list(TurnoverReport({}, {"clearing": 5, "revenue:lift": -5}).differences()) == []


def test_differences_are_listed_by_row_and_in_total() -> None:
    rows = {"heating": Row(charged=10), "lift": Row(charged=3), "penalty": Row(penalty=4)}
    books = {"receivable:heating": 9, "receivable:lift": 2, "receivable:penalty": 4}
    assert list(TurnoverReport(rows, books).differences()) == [
        ("heating", 10, 9),
        ("lift", 3, 2),
        ("total", 17, 15),
    ]
