"""What staff read: age bands, sheets that are checked, the words that a terminal takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from services.ledger.commands.corrections import approval_limit
from services.ledger.domain import EVENTS, OPENING_PERIOD, Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.replay.parallel import stream_ranges
from services.ledger.reports.history import event_history, statement_by_days
from services.ledger.reports.overdue import BANDS, Overdue, overdue_now
from services.ledger.reports.totals import TurnoverReport, turnover_of_account
from shared.clock import FixedClock
from shared.config import ConfigurationError
from shared.eventstore import MemoryStore, Session

NUMBER = "0100000001"
TODAY = date(2026, 11, 20)


class Nobody:
    """A read model that nobody reads."""

    def project(self, *_: Any) -> None:
        """Keep nothing."""


class Owing:
    """A session whose read model has one account, with a bill due on some day."""

    def __init__(self, *due: date, number: str = NUMBER) -> None:
        periods = [f"2026-{month:02}" for month in range(1, len(due) + 1)]
        self.row = {
            "number": number,
            "payer_kind": "household",
            "open_items": {period: {"heating": 60, "water": 40} for period in periods},
            "due_dates": {p: on.isoformat() for p, on in zip(periods, due, strict=True)},
        }

    @property
    def read(self) -> Any:
        return self

    def owing(self, _: date) -> Iterator[dict[str, Any]]:
        yield self.row


def overdue(*due: date) -> Overdue:
    return overdue_now(Owing(*due), TODAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "band"),
    [
        *((1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90")),
        *((91, "91-180"), (180, "91-180"), (181, "181-365"), (365, "181-365"), (366, ">365")),
        (5000, ">365"),
    ],
)
def test_the_day_after_the_due_date_is_the_first(days: int, band: str) -> None:
    [found] = overdue(TODAY - timedelta(days=days)).accounts
    assert (found.days, found.amount) == (days, 100)
    assert found.bands[BANDS.index(band)] == 100


@pytest.mark.parametrize("days", [0, -1])
def test_nothing_is_overdue_on_its_due_date(days: int) -> None:
    assert overdue(TODAY - timedelta(days=days)).accounts == []


def test_bills_of_several_ages_stand_in_their_bands() -> None:
    ages = (400, 20, 10, -5)
    found = overdue(*(TODAY - timedelta(days=age) for age in ages))
    assert found.total == 300
    assert found.accounts[0].due_on == TODAY - timedelta(days=400)
    bands = {band["band"]: (band["accounts"], band["amount"]) for band in found.bands()}
    assert (bands["1-30"], bands[">365"], bands["31-60"]) == ((1, 200), (1, 100), (0, 0))


def account_with_a_bill() -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", date(2026, 1, 1), [ServiceAmount("heating", 500)])
    line = ChargeLine("heating", "Отопление", payable=1_000, charged=1_000)
    account.post_charges("2026-10", date(2026, 10, 31), date(2026, 11, 15), [line])
    return account


def test_due_dates_of_open_periods_survive_the_row_of_the_read_model() -> None:
    account = account_with_a_bill()
    row = account.snapshot()
    assert row["due_dates"] == {OPENING_PERIOD: "2026-01-01", "2026-10": "2026-11-15"}
    assert Account.restored(account.id, row).snapshot() == row
    account.post_payment(UUID(int=1), date(2026, 11, 1), 500, 0)
    assert account.snapshot()["due_dates"] == {"2026-10": "2026-11-15"}
    account.reverse_payment(UUID(int=1), date(2026, 11, 2), "chargeback")
    assert account.snapshot()["due_dates"] == row["due_dates"]


def sheet() -> TurnoverReport:
    account = account_with_a_bill()
    events = account.take_pending()
    return turnover_of_account(account.id, events, date(2026, 10, 1), date(2026, 10, 31))


def test_a_sheet_agrees_with_the_books() -> None:
    made = sheet()
    assert made.rows["heating"].opening == 500
    assert made.total.closing == 1_500
    assert list(made.differences()) == []


def test_a_sheet_that_does_not_add_up_is_told() -> None:
    made = sheet()
    made.rows["heating"].paid += 1
    assert list(made.differences()) == [("heating", 1_499, 1_500), ("total", 1_499, 1_500)]
    made = sheet()
    made.books["receivable:water"] = 7
    assert list(made.differences()) == [("water", 0, 7), ("total", 1_500, 1_507)]


@pytest.mark.parametrize("count", [1, 3, 16])
def test_ranges_hold_every_stream_once(count: int) -> None:
    ranges = stream_ranges(count)
    assert len(ranges) == count
    assert (ranges[0].first, ranges[-1].last) == (UUID(int=0), UUID(int=(1 << 128) - 1))
    for before, after in pairwise(ranges):
        assert before.last.int + 1 == after.first.int


def test_the_limit_of_one_person_is_a_sum() -> None:
    name = "SALDO_LEDGER_APPROVAL_OVER"
    assert approval_limit({}) == 50_000_00
    assert approval_limit({name: "0"}) == 0
    assert approval_limit({name: "1 500,50"}) == 1_500_50
    for text in ("-1", "much", "1,005"):
        with pytest.raises(ConfigurationError, match=name):
            approval_limit({name: text})


def test_a_statement_tells_a_late_opening_first() -> None:
    clock = FixedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))
    store = MemoryStore(EVENTS, Nobody(), clock)

    def live(session: Session, _: None) -> None:
        account = session.load(Account, account_id(NUMBER))
        account.open(NUMBER, "household", date(2026, 3, 1))
        line = ChargeLine("heating", "Отопление", payable=1_000, charged=1_000)
        account.post_charges("2026-10", date(2026, 10, 31), date(2026, 11, 15), [line])
        account.post_payment(UUID(int=1), date(2026, 9, 5), 700, 0)
        account.post_opening(date(2026, 4, 1), [ServiceAmount("heating", 400)])

    store.transact(live, None)
    told = store.query(lambda session: statement_by_days(session, NUMBER, date(2026, 9, 1)))
    assert (told["opening"], told["closing"]) == (400, 700)
    steps = [(step["kind"], step["balance"]) for step in told["movements"]]
    assert steps == [("payment", -300), ("charges", 700)]
    assert (
        told["closing"]
        == store.query(lambda session: event_history(session, NUMBER))[-1]["balance"]
    )
