"""The records of a reconciliation: what acquirers and the ledger say, as it is compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.payments.acquirers import Order, OrderReport, OrderState
from services.payments.reconciliation import sources
from shared.errors import Unavailable
from tests.fixed_clock import FixedClock

LATE = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
CLOCK = FixedClock(LATE)
ROW = {"order_number": "n1", "acquirer": "", "order_id": "b1", "lost": False}


class Bank:
    """An acquirer that says what it is told to."""

    def __init__(self, *reports: OrderReport | None) -> None:
        self.reports = reports

    def find_order(self, order: Order) -> OrderReport | None:
        return self.reports[0]

    def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
        yield from (one for one in self.reports if one is not None)


def paid(**fields: Any) -> OrderReport:
    return OrderReport(
        **{
            "state": OrderState.PAID,
            "ordered": 500,
            "charged": 500,
            "charged_at": LATE,
            "order_number": "n1",
            **fields,
        }
    )


def test_the_day_of_a_charge_is_that_of_the_operator() -> None:
    banks: Any = {"main": Bank(paid())}
    [found] = sources.reported(banks, LATE, LATE, CLOCK)
    assert found.day == date(2026, 11, 21)


def test_an_order_that_a_report_has_twice_counts_once() -> None:
    banks: Any = {"main": Bank(paid(), paid()), "kassa": Bank(paid())}
    found = list(sources.reported(banks, LATE, LATE, CLOCK))
    assert [one.acquirer for one in found] == ["main", "kassa"]


@pytest.mark.parametrize("state", [OrderState.PENDING, OrderState.HELD, OrderState.EXPIRED])
def test_what_is_not_charged_is_no_money(state: OrderState) -> None:
    banks: Any = {"main": Bank(paid(state=state))}
    assert sources.order_of(banks, ROW, CLOCK) is None


def test_an_order_without_an_answer_is_never_taken_for_none() -> None:
    banks: Any = {"main": Bank(paid(state=OrderState.UNKNOWN, charged=0))}
    with pytest.raises(Unavailable):
        sources.order_of(banks, ROW, CLOCK)
    with pytest.raises(Unavailable):
        sources.order_of(banks, {**ROW, "acquirer": "closed"}, CLOCK)


def test_a_lost_order_that_nobody_could_pay_holds_up_nothing() -> None:
    banks: Any = {"main": Bank(paid(state=OrderState.UNKNOWN, charged=0))}
    lost = {**ROW, "lost": True, "order_id": None}
    assert sources.order_of(banks, lost, CLOCK) is None


def test_a_day_lasts_from_midnight_to_midnight_of_the_operator() -> None:
    day = date(2026, 11, 20)
    since, until = sources.instants_of(day, day, ZoneInfo("Europe/Moscow"))
    assert since == datetime(2026, 11, 19, 21, tzinfo=UTC)
    assert until == datetime(2026, 11, 20, 21, tzinfo=UTC)


POSTED = {
    "payment_id": "p1",
    "account": "A",
    "paid_on": "2026-11-20",
    "amount": 500,
    "refunded": 0,
    "reversed": 0,
    "moved_to": "",
    "moved_from": "",
    "actor": "service:ledger",
    "place": "",
}


def ledger(*rows: dict[str, Any]) -> Any:
    """Return a ledger whose pages have a row each."""

    def call(service: str, method: str, **asked: Any) -> Any:
        after = asked.get("after", 0)
        last = after + 1 >= len(rows)
        return {"payments": [rows[after]], "next": None if last else after + 1}

    return call


def test_pages_of_the_ledger_are_put_together() -> None:
    rows = [POSTED, {**POSTED, "account": "B"}, POSTED]
    read: list[int] = []
    found = sources.posted_on(ledger(*rows), date(2026, 11, 20), read.append)
    assert [one.account for one in found] == ["A", "B"]
    assert sum(read) == 3


def test_what_was_moved_counts_for_the_account_that_was_paid() -> None:
    rows = [
        {**POSTED, "refunded": 100, "reversed": 400, "moved_to": "B"},
        {**POSTED, "account": "B", "amount": 400, "reversed": 400, "moved_to": "C",
         "moved_from": "A", "actor": "staff:ivanova"},
        {**POSTED, "account": "C", "amount": 400, "refunded": 50, "moved_from": "B",
         "actor": "staff:ivanova"},
    ]  # fmt: skip
    found = sources.posted_on(ledger(*rows), date(2026, 11, 20), lambda _: None)
    assert {one.account for one in found} == {"A"}
    assert sum(one.amount for one in found) == 500
    assert sum(one.returned for one in found) == 150
    assert not any(one.reversed or one.by_staff for one in found)
