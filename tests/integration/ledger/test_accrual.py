"""Accruing the penalties of all accounts: one resumable run on a real PostgreSQL."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain.events import ChargeLine
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.accrual_run import accrue_all
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from services.ledger.replay.audit import audit
from services.ledger.tables.closed_periods import close_period
from shared import context
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.ledger_commands import PostCharges, post_charges

RULES = load_rules(environ={})
NUMBERS = [f"01000000{index:02}" for index in range(1, 13)]
JUNE, JULY, AUGUST = date(2026, 6, 20), date(2026, 7, 14), date(2026, 8, 10)


def execute(store: PostgresStore, handler: object, command: object) -> None:
    with context.bind(command_id=uuid4()):
        store.execute(handler, command)  # type: ignore[arg-type]


def pay(store: PostgresStore, number: str, amount: int, on: date) -> None:
    line = PaidLine(account=number, amount=amount, penalty=0)
    execute(store, post_payment, PostPayment(payment_id=uuid4(), paid_on=on, lines=(line,)))


@pytest.fixture
def store(database: Database) -> PostgresStore:
    made = database.store("ledger")
    for number in NUMBERS:
        execute(made, open_account, OpenAccount(number=number, payer_kind="household"))
        bill = PostCharges(
            number=number,
            period="2026-03",
            due_on=date(2026, 4, 15),
            effective_on=date(2026, 3, 31),
            lines=(ChargeLine("heating", "Отопление", 450_000, 450_000),),
        )
        execute(made, post_charges, bill)
    return made


def owed(store: PostgresStore) -> dict[str, int]:
    rows = store.query(lambda session: session.read.balances(NUMBERS))
    return {row["number"]: row["penalty"] for row in rows}


def test_everybody_overdue_is_accrued_once(store: PostgresStore) -> None:
    first = accrue_all(store, JULY, RULES, "staff:test")
    again = accrue_all(store, JULY, RULES, "staff:test")
    assert (first.changed, first.added) == (len(NUMBERS), 8_550 * len(NUMBERS))
    assert (again.accounts, again.changed) == (len(NUMBERS), 0)
    assert owed(store) == dict.fromkeys(NUMBERS, 8_550)
    assert audit(store).differences == []


def test_a_dry_run_returns_the_result_and_writes_nothing(store: PostgresStore) -> None:
    found = accrue_all(store, JULY, RULES, "staff:test", dry_run=True)
    assert found.added == 8_550 * len(NUMBERS)
    assert owed(store) == dict.fromkeys(NUMBERS, 0)


def test_a_late_payment_corrects_what_was_accrued(store: PostgresStore) -> None:
    accrue_all(store, AUGUST, RULES, "staff:test")
    pay(store, NUMBERS[0], 200_000, JUNE)
    pay(store, NUMBERS[0], 250_000, AUGUST)
    # Each is followed by the correction in its own posting: a run finds nothing left to do.
    assert accrue_all(store, AUGUST, RULES, "staff:test").changed == 0
    assert owed(store)[NUMBERS[0]] == 11_963
    assert audit(store).differences == []


def test_a_killed_run_is_completed_by_another(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ledger.penalties.accrual_run.CHUNK", 5)

    def dies(_: int) -> None:
        if sum(owed(store).values()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accrue_all(store, JULY, RULES, "staff:test", dies)
    assert 0 < sum(penalty > 0 for penalty in owed(store).values()) < len(NUMBERS)
    accrue_all(store, JULY, RULES, "staff:test")
    assert owed(store) == dict.fromkeys(NUMBERS, 8_550)
    assert audit(store).differences == []


def test_a_payment_between_reading_and_writing_is_not_lost(store: PostgresStore) -> None:
    paid: list[str] = []

    def pay_between(read: int) -> None:
        if read and not paid:
            # The first of the ranges is read, and nothing of it written yet.
            paid.extend(NUMBERS)
            for number in NUMBERS:
                pay(store, number, 450_000, date(2026, 4, 1))

    accrue_all(store, JULY, RULES, "staff:test", pay_between)
    assert paid
    assert owed(store) == dict.fromkeys(NUMBERS, 0)
    assert audit(store).differences == []


def test_a_run_writes_nothing_into_a_month_that_is_closed_meanwhile(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ledger.penalties.accrual_run.CHUNK", 1)
    began = store.recorder.max_notification_id()
    accrued: list[str] = []

    def close_meanwhile(_: int) -> None:
        if not accrued and (accrued_by_now := [n for n, penalty in owed(store).items() if penalty]):
            accrued.extend(accrued_by_now)
            close_period(store, "2026-07", "staff:petrov", "reported")

    with pytest.raises(Conflict) as stopped:
        accrue_all(store, JULY, RULES, "staff:test", close_meanwhile)
    assert stopped.value.code == "period_closed"
    assert f"{len(accrued)} accounts are accrued" in stopped.value.message
    assert {number for number, penalty in owed(store).items() if penalty} == set(accrued)
    assert store.recorder.max_notification_id() == (began or 0) + len(accrued) + 1
    assert audit(store).differences == []


def test_parallel_workers_give_the_same_result(store: PostgresStore) -> None:
    alone = accrue_all(store, JULY, RULES, "staff:test", dry_run=True, workers=1)
    together = accrue_all(store, JULY, RULES, "staff:test", workers=2)
    assert together == alone
    assert owed(store) == dict.fromkeys(NUMBERS, 8_550)
    assert audit(store).differences == []


def test_the_penalty_of_a_future_day_is_explained(store: PostgresStore) -> None:
    accrue_all(store, JUNE, RULES, "staff:test")
    found = store.query(lambda session: penalty(session, NUMBERS[0], JULY, PenaltyLaw(RULES)))
    assert (found["total"], found["accrued"], found["owed"]) == (8_550, 5_130, 8_550)
    assert found["provisional"] is True
    [debt] = found["debts"]
    assert [(s["days"], s["divisor"], s["amount"]) for s in debt["segments"]] == [
        (30, None, 0),
        (60, 300, 8_550),
    ]


def test_an_account_without_a_rule_is_named_and_the_others_are_accrued(
    store: PostgresStore,
) -> None:
    execute(store, open_account, OpenAccount(number="0200000001", payer_kind="household"))
    old = PostCharges(
        number="0200000001",
        period="2015-03",
        due_on=date(2015, 4, 10),
        effective_on=date(2015, 3, 31),
        lines=(ChargeLine("heating", "Отопление", 100, 100),),
    )
    execute(store, post_charges, old)
    summary = accrue_all(store, JULY, RULES, "staff:test", workers=1)
    assert (summary.changed, summary.refused) == (len(NUMBERS), 1)
    assert "2016-01-01" in summary.refusals["0200000001"]
    assert owed(store) == dict.fromkeys(NUMBERS, 8_550)
