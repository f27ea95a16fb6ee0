"""The page of a penalty says what the calculator of the command line says, in any case."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import typer
from account_access import access, owns
from cabinet_person import CabinetPerson
from gateway_doubles import FakeServices
from typer.testing import CliRunner

from services.ledger.commands.penalty import penalty as calculator
from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from shared import formats
from shared.eventstore import MemoryStore
from shared.eventstore.session import Session
from shared.payer_kinds import PayerKind
from tests.fixed_clock import FixedClock

CASES = 1_000
NUMBER = "0001"
RULES = load_rules(environ={})
FIRST, TODAY, LAST = date(2025, 6, 1), date(2026, 11, 28), date(2027, 12, 31)


class NoTables:
    """A read model without rows."""

    def project(self, *_: Any) -> None:
        """Keep nothing."""


LAW = PenaltyLaw(RULES)


class Case:
    """Some months charged, some payments, and a day: for the ledger and for the calculator."""

    def __init__(self, random: Random) -> None:
        self.payer = random.choice(list(PayerKind)).value
        months = sorted(random.sample(range(1, 13), random.randint(1, 4)))
        self.charges = [
            (f"2026-{month:02d}", random.randint(1, 900_000), _due(month, random))
            for month in months
            if month < TODAY.month
        ] or [("2026-03", 450_000, date(2026, 4, 15))]
        self.paid = list(self._paid(random))
        self.on = _day(random, FIRST, LAST)

    def _paid(self, random: Random) -> Iterator[tuple[date, int]]:
        """Yield payments of no more than is open: more would pay the penalty of an account."""
        days = sorted(_day(random, FIRST, TODAY) for _ in range(random.randint(0, 4)))
        paid = 0
        for day in days:
            issued = sum(amount for _, amount, due_on in self.charges if _issued(due_on) <= day)
            if amount := min(random.randint(1, 600_000), issued - paid):
                paid += amount
                yield day, amount

    def record(self, session: Session, _: None) -> None:
        account = session.load(Account, account_id(NUMBER))
        account.open(NUMBER, self.payer, FIRST, [])
        for period, amount, due_on in self.charges:
            issued = _issued(due_on)
            line = ChargeLine("heating", "Отопление", amount, amount)
            account.post_charges(period, issued, due_on, [line])
        for place, (day, amount) in enumerate(self.paid):
            account.post_payment(UUID(int=place + 1), day, amount, 0)

    def options(self) -> Iterator[str]:
        yield from ("--payer", self.payer, "--on", self.on.isoformat(), "--json")
        for period, amount, due_on in self.charges:
            yield from ("--charge", f"{period}:{_roubles(amount)}", "--due", due_on.isoformat())
        for day, amount in self.paid:
            yield from ("--paid", f"{day}:{_roubles(amount)}")


@pytest.mark.parametrize("seed", range(10))
def test_the_page_agrees_with_the_calculator(
    person: CabinetPerson, services: FakeServices, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The file of rules is read once, not for each of the cases.
    monkeypatch.setattr("services.ledger.commands.penalty.load_rules", lambda _: RULES)
    services.answers["accounts", "owns"] = owns(NUMBER)
    services.answers["accounts", "linked"] = {"accounts": [access(NUMBER)]}
    app, random, bearing = typer.Typer(), Random(seed), 0  # noqa: S311 - the same cases every time
    app.command()(calculator)
    for _ in range(CASES // 10):
        case = Case(random)
        store = MemoryStore(EVENTS, NoTables(), FixedClock(datetime(2026, 11, 28, 9, tzinfo=UTC)))
        store.transact(case.record, None)
        services.answers["ledger", "penalty"] = lambda number, on, store=store: store.query(
            lambda session: penalty(session, number, date.fromisoformat(on or str(TODAY)), LAW)
        )
        page = person.get(f"/accounts/{NUMBER}/penalty?on={case.on}").text
        done = CliRunner().invoke(app, list(case.options()))
        assert done.exit_code == 0, done.output
        total = json.loads(done.stdout)["total"]
        answer = page[page.index('class="answer"') : page.index('class="where"')]
        shown = f'value="{total}">{formats.roubles(total, "ru")}<' if total else "Пеней нет"
        assert shown in answer, (list(case.options()), answer)
        bearing += bool(total)
    assert bearing > CASES // 10 // 4, "enough of the cases bear a penalty"


def _issued(due_on: date) -> date:
    return due_on - timedelta(days=15)


def _due(month: int, random: Random) -> date:
    return date(2026, month, 1) + timedelta(days=45 + random.randint(-5, 5))


def _day(random: Random, first: date, last: date) -> date:
    return first + timedelta(days=random.randint(0, (last - first).days))


def _roubles(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"
