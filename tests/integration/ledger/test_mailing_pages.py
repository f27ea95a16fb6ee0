"""The pages from which mailings are made: new bills, debts that fall due or begin to cost more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.ledger.application import OpenAccount, PaidLine, PostPayment, open_account
from services.ledger.application import post_payment as post
from services.ledger.domain.events import ChargeLine
from services.ledger.penalties.law import law_in_force
from services.ledger.reports import mailing
from shared import context
from tests.conftest import Database
from tests.fixed_clock import FixedClock
from tests.integration.ledger.import_harness import ImportHarness, line
from tests.ledger_commands import PostCharges, post_charges

pytestmark = pytest.mark.nodes

A, B, C, D = "0100000011", "0100000012", "0100000013", "0100000014"
DUE = date(2026, 4, 15)
FIRST_PENALTY = date(2026, 5, 16)


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> ImportHarness:
    made = ImportHarness(database, tmp_path)
    made.opens(A, B, C)
    return made


class Company:
    """Accounts with bills, as a day sees them."""

    def __init__(self, database: Database) -> None:
        self.clock = FixedClock(datetime(2026, 5, 12, 9, tzinfo=UTC))
        self.store = database.store("ledger", clock=self.clock)

    def execute(self, handler: Any, command: Any) -> None:
        with context.bind(actor="service:test", command_id=uuid4()):
            self.store.execute(handler, command)

    def open(self, number: str, kind: str = "household") -> None:
        self.execute(open_account, OpenAccount(number=number, payer_kind=kind))

    def bill(self, number: str, due_on: date = DUE, period: str = "2026-03", **sums: int) -> None:
        lines = tuple(ChargeLine(service, service, owed, owed) for service, owed in sums.items())
        self.execute(
            post_charges,
            PostCharges(
                number=number,
                period=period,
                effective_on=date(2026, 3, 31),
                due_on=due_on,
                lines=lines,
            ),
        )

    def pay(self, number: str, amount: int) -> None:
        paid = PaidLine(account=number, amount=amount, penalty=0, period=None)
        command = PostPayment(payment_id=uuid4(), paid_on=date(2026, 4, 20), lines=(paid,))
        self.execute(post, command)

    def ask(self, query: Callable[..., Any], *arguments: Any, limit: int = 2) -> list[Any]:
        """Return the debts of all pages."""
        found, after = [], ""
        while True:
            page = self.store.query(
                lambda session, after=after: query(
                    session, *arguments[:1], after, limit, *arguments[1:]
                )
            )
            found += page["debts"]
            if page["next"] is None:
                return found
            after = page["next"]


@pytest.fixture
def company(database: Database) -> Company:
    return Company(database)


def all_bills(harness: ImportHarness, run: dict[str, Any], limit: int = 2) -> list[Any]:
    found, after = [], run["first_position"] - 1
    while after is not None:
        page = harness.store.query(
            lambda session, after=after: mailing.billed(
                session, run["file_digest"], after, run["last_position"], limit
            )
        )
        found += page["bills"]
        after = page["next"]
    return found


def runs_after(harness: ImportHarness, after: int = 0) -> dict[str, Any]:
    found = harness.store.query(lambda session: mailing.billing_runs(session, after))
    assert isinstance(found, dict)
    return found


def test_a_run_has_the_bills_that_its_file_posted_each_once(harness: ImportHarness) -> None:
    rows = [line(A), line(A, "water", "50,00"), line(B), line(C)]
    harness.imports(harness.file("march.csv", *rows))
    [run] = runs_after(harness)["runs"]
    bills = all_bills(harness, run)
    assert [(bill["account"], bill["total"]) for bill in bills] == [
        (A, 150_00),
        (B, 100_00),
        (C, 100_00),
    ]
    assert {(bill["period"], bill["due_on"]) for bill in bills} == {("2026-03", "2026-03-28")}


def test_another_file_of_the_month_is_a_run_of_its_own(harness: ImportHarness) -> None:
    harness.imports(harness.file("march.csv", line(A)))
    before = runs_after(harness)["next"]
    harness.imports(harness.file("march-2.csv", line(A), line(B)), code=1)
    [run] = runs_after(harness, before)["runs"]
    assert [bill["account"] for bill in all_bills(harness, run)] == [B]


def test_an_import_without_bills_is_no_run(harness: ImportHarness) -> None:
    harness.imports(harness.file("march.csv", line(A)))
    position = runs_after(harness)["next"]
    adjusted = f"{A};A-1;2026-03;heating;-10,00;no heating\n"
    header = "account;adjustment_id;period;service;amount;reason\n"
    harness.imports(harness.file("adjusted.csv", adjusted, header=header))
    assert runs_after(harness, position)["runs"] == []


def test_debts_of_a_due_day_are_what_is_left_to_pay(company: Company) -> None:
    for number in (A, B, C, D):
        company.open(number)
    company.bill(A, heating=100_00, water=50_00)
    company.bill(B, heating=100_00)
    company.bill(C, date(2026, 4, 16), heating=100_00)
    company.pay(A, 30_00)
    company.pay(B, 100_00)
    assert company.ask(mailing.debts_due, DUE) == [
        {"account": A, "amount": 120_00, "due_on": "2026-04-15"}
    ]


def test_a_debt_is_named_for_the_day_on_which_its_penalty_begins(company: Company) -> None:
    company.open(A)
    company.open(B, "organisation")
    company.bill(A, heating=100_00)
    company.bill(A, date(2026, 6, 15), "2026-05", heating=70_00)
    company.bill(B, heating=100_00)
    ask = mailing.debts_before_penalty
    assert company.ask(ask, FIRST_PENALTY, law_in_force()) == [
        {"account": A, "amount": 100_00, "due_on": "2026-04-15"}
    ]
    for day in (15, 17):
        assert company.ask(ask, FIRST_PENALTY.replace(day=day), law_in_force()) == []


def test_nobody_is_late_by_a_bill_before_its_due_day(company: Company) -> None:
    company.open(B, "organisation")
    company.bill(B, date(2026, 5, 15), heating=100_00)
    ask = mailing.debts_before_penalty
    assert company.ask(ask, date(2026, 5, 16), law_in_force()) == []


def test_a_moratorium_moves_the_day_for_all_debts_that_it_spares(company: Company) -> None:
    company.clock.advance(datetime(2022, 9, 28, 9, tzinfo=UTC) - company.clock.now())
    law = law_in_force()
    for number, month, due in (
        (A, "2022-03", date(2022, 4, 11)),
        (B, "2022-05", date(2022, 6, 10)),
    ):
        company.open(number)
        lines = (ChargeLine("heating", "heating", 100_00, 100_00),)
        days = {"effective_on": due.replace(day=1), "due_on": due}
        command = PostCharges(number=number, period=month, lines=lines, **days)
        company.execute(post_charges, command)
    found = company.ask(mailing.debts_before_penalty, date(2022, 10, 2), law)
    assert [debt["account"] for debt in found] == [A, B]


def test_open_debts_are_by_month_and_without_who_owes_nothing(company: Company) -> None:
    company.open(A)
    company.open(B)
    company.bill(A, heating=100_00)
    company.bill(A, date(2026, 5, 15), "2026-04", heating=70_00)
    found = company.store.query(lambda session: mailing.open_debts(session, [A, B, D]))
    debts = found["accounts"][A]
    assert found["accounts"].keys() == {A}
    assert [(debt["period"], debt["due_on"], debt["amount"]) for debt in debts] == [
        ("2026-03", "2026-04-15", 100_00),
        ("2026-04", "2026-05-15", 70_00),
    ]
