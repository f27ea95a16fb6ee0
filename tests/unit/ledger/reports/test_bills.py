"""Bills and statements of given days: columns add up, and each opens as the last one closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.reports.bills import bill
from services.ledger.reports.history import statement_between, statements_between
from services.ledger.reports.totals import turnover_of_account
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Aggregate, MemoryStore, Recorded, Session
from tests.fixed_clock import FixedClock

NUMBER = "0100000001"
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")
HEAT = ChargeLine(
    "heating",
    "Отопление",
    3000,
    3500,
    recalculation=-200,
    concession=300,
    unit="Гкал",
    tariff="2.5",
    volume="14",
    explanation="Льгота 10 %",
)
WATER = ChargeLine("water", "Вода", 700, 700)


class NoRows:
    """A read model that keeps nothing."""

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        return


def lived(session: Session, _command: None) -> None:
    """Three bills, the second one posted in the month after its own; payments between them."""
    account = session.load(Account, account_id(NUMBER))
    account.open(NUMBER, "household", date(2026, 1, 1), [ServiceAmount("heating", 1000)])
    account.post_charges(
        "2026-03", date(2026, 3, 31), date(2026, 4, 15), [HEAT, WATER], bill_number="2026-03/7"
    )
    account.post_payment(UUID(int=1), date(2026, 4, 2), 5000, 0)
    account.post_charges("2026-04", date(2026, 5, 3), date(2026, 5, 15), [HEAT])
    off = [ServiceAmount("water", -100)]
    account.adjust_charges(UUID(int=2), "2026-03", date(2026, 5, 10), off, "недопоставка")
    account.accrue_penalty(40, date(2026, 5, 20), "rule-1")
    account.post_charges("2026-05", date(2026, 5, 31), date(2026, 6, 15), [HEAT, WATER])
    account.post_payment(UUID(int=3), date(2026, 5, 25), 600, 40)  # known late
    account.reverse_payment(UUID(int=3), date(2026, 6, 1), "ошибка банка")


@pytest.fixture
def ledger() -> MemoryStore:
    store = MemoryStore(EVENTS, NoRows(), FixedClock(datetime(2026, 6, 5, 9, tzinfo=UTC)))
    store.transact(lived, None)
    return store


def bill_of(ledger: MemoryStore, period: str) -> dict[str, Any]:
    found: dict[str, Any] = ledger.query(lambda session: bill(session, NUMBER, period))
    return found


def events_of(ledger: MemoryStore) -> list[Any]:
    return ledger.query(lambda session: [one.event for one in session.history(account_id(NUMBER))])


def test_bill_adds_up_by_service_and_in_all(ledger: MemoryStore) -> None:
    for period in ("2026-03", "2026-04", "2026-05"):
        found = bill_of(ledger, period)
        for one in [*found["services"], found["totals"]]:
            assert one["closing"] == (
                one["opening"]
                + one["charged"]
                + one["recalculated"]
                - one["concession"]
                + one["penalty"]
                - one["paid"]
            )
        for column in COLUMNS:
            assert found["totals"][column] == sum(one[column] for one in found["services"])


def test_bill_opens_with_what_the_one_before_closed_with(ledger: MemoryStore) -> None:
    march, april, may = (bill_of(ledger, period) for period in ("2026-03", "2026-04", "2026-05"))
    assert march["totals"]["opening"] == 1000
    assert april["totals"]["opening"] == march["totals"]["closing"] == 4700
    assert may["totals"]["opening"] == april["totals"]["closing"]
    assert (march["first_day"], march["last_day"]) == ("2026-03-01", "2026-03-31")
    assert (april["first_day"], april["last_day"]) == ("2026-04-01", "2026-05-03")
    assert (may["first_day"], may["last_day"]) == ("2026-05-04", "2026-05-31")


def test_bill_has_what_was_posted_and_why(ledger: MemoryStore) -> None:
    march = bill_of(ledger, "2026-03")
    assert march["bill_number"] == "2026-03/7"
    assert march["lines"][0] == {
        "service": "heating",
        "name": "Отопление",
        "unit": "Гкал",
        "tariff": "2.5",
        "volume": "14",
        "charged": 3500,
        "recalculation": -200,
        "concession": 300,
        "payable": 3000,
        "explanation": "Льгота 10 %",
    }
    may = bill_of(ledger, "2026-05")
    assert may["bill_number"] is None
    assert [one["reason"] for one in may["adjustments"]] == ["недопоставка"]
    assert may["adjustments"][0]["lines"] == [{"service": "water", "name": "Вода", "amount": -100}]
    assert may["penalties"] == [
        {"effective_on": "2026-05-20", "kind": "accrual", "amount": 40, "reason": None}
    ]
    assert may["payments"] == [{"effective_on": "2026-05-25", "amount": 600, "penalty": 40}]
    assert may["other_bills"] == []


def test_bill_has_what_went_back(ledger: MemoryStore) -> None:
    def refund(session: Session, _command: None) -> None:
        account = session.load(Account, account_id(NUMBER))
        account.refund_payment(UUID(int=1), UUID(int=9), 500, date(2026, 4, 20))

    before = bill_of(ledger, "2026-04")
    ledger.transact(refund, None)
    after = bill_of(ledger, "2026-04")
    assert after["payments"] == [
        *before["payments"],
        {"effective_on": "2026-04-20", "amount": -480, "penalty": -20},
    ]
    assert after["totals"]["paid"] == before["totals"]["paid"] - 500


def test_bill_equals_the_turnover_sheet_of_its_days(ledger: MemoryStore) -> None:
    sheet = turnover_of_account(
        account_id(NUMBER), events_of(ledger), date(2026, 3, 1), date(2026, 3, 31)
    )
    assert bill_of(ledger, "2026-03")["totals"] == sheet.total.as_dict()


def test_bill_of_a_past_month_posted_late_adds_up_too(ledger: MemoryStore) -> None:
    def late(session: Session, _command: None) -> None:
        account = session.load(Account, account_id(NUMBER))
        account.post_charges("2026-02", date(2026, 6, 4), date(2026, 6, 15), [WATER])

    ledger.transact(late, None)
    february, march = bill_of(ledger, "2026-02"), bill_of(ledger, "2026-03")
    assert (february["first_day"], february["last_day"]) == ("2026-02-01", "2026-06-04")
    assert {one["period"] for one in february["other_bills"]} == {"2026-03", "2026-04", "2026-05"}
    assert march["first_day"] <= march["last_day"] == "2026-03-31"
    assert march["totals"]["charged"] == 4200


def test_month_without_a_bill_names_the_latest(ledger: MemoryStore) -> None:
    with pytest.raises(NotFound) as refused:
        bill_of(ledger, "2026-06")
    assert refused.value.code == "bill_not_issued"
    assert refused.value.params["latest"] == "2026-05"
    assert refused.value.params["latest_issued_on"] == "2026-05-31"


def test_statement_of_days_adds_up_page_by_page(ledger: MemoryStore) -> None:
    first_day, last_day = date(2026, 4, 1), date(2026, 5, 31)

    def page(after: int) -> dict[str, Any]:
        found: dict[str, Any] = ledger.query(
            lambda s: statement_between(s, NUMBER, first_day, last_day, after, 2)
        )
        return found

    movements, after = [], 0
    while after is not None:
        found = page(after)
        movements += found["movements"]
        after = found["next"]
    totals = found["totals"]
    days = [one["effective_on"] for one in movements]
    assert days == sorted(days)
    assert len(days) == 6
    moved = sum(one["amount"] + one["penalty"] for one in movements)
    assert totals["opening"] + moved == totals["closing"] == movements[-1]["balance"]
    sheet = turnover_of_account(account_id(NUMBER), events_of(ledger), first_day, last_day)
    assert totals == sheet.total.as_dict()


def test_statements_of_several_accounts_are_those_of_each(ledger: MemoryStore) -> None:
    other, nobody = "0100000002", "0100000003"
    first_day, last_day = date(2026, 4, 1), date(2026, 5, 31)

    def open_another(session: Session, _command: None) -> None:
        account = session.load(Account, account_id(other))
        account.open(other, "household", date(2026, 1, 1), [ServiceAmount("heating", 700)])
        account.post_charges("2026-04", date(2026, 4, 30), date(2026, 5, 15), [WATER])

    ledger.transact(open_another, None)
    numbers, after, pages = [other, nobody, NUMBER], 0, list[dict[str, Any]]()
    while after is not None:
        pages.append(
            ledger.query(
                lambda s, after=after: statements_between(s, numbers, first_day, last_day, after, 2)
            )
        )
        after = pages[-1]["next"]
    assert len(pages) == 4, "seven movements, two at a time"
    for place, number in enumerate(numbers):
        found = [page["accounts"][place] for page in pages]
        assert {one["number"] for one in found} == {number}
        movements = [movement for one in found for movement in one["movements"]]
        if number == nobody:
            assert (movements, set(found[0]["totals"].values())) == ([], {0})
            continue
        alone = ledger.query(
            lambda s, number=number: statement_between(s, number, first_day, last_day, 0, 50)
        )
        assert movements == alone["movements"]
        assert all(one["totals"] == alone["totals"] for one in found)


def test_statement_of_quiet_days_has_its_opening(ledger: MemoryStore) -> None:
    day = date(2026, 2, 1)
    found = ledger.query(lambda s: statement_between(s, NUMBER, day, day, 0, 10))
    assert found["movements"] == []
    assert found["totals"]["opening"] == found["totals"]["closing"] == 1000


def test_statement_of_days_in_the_wrong_order_is_refused(ledger: MemoryStore) -> None:
    with pytest.raises(ValidationFailed):
        ledger.query(
            lambda s: statement_between(s, NUMBER, date(2026, 2, 2), date(2026, 2, 1), 0, 10)
        )
    with pytest.raises(ValidationFailed):
        ledger.query(
            lambda s: statements_between(s, [NUMBER], date(2026, 2, 2), date(2026, 2, 1), 0, 10)
        )
