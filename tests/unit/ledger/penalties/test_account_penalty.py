"""The penalty of an account explained: today, on a past day, and for a future day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from shared import context
from shared.eventstore import MemoryStore
from tests.fixed_clock import FixedClock

LAW = PenaltyLaw(load_rules(environ={}))
NUMBER = "0100000001"
TODAY = date(2026, 9, 1)
JUNE, JULY, AUGUST = date(2026, 6, 20), date(2026, 7, 14), date(2026, 8, 10)
SUMS = ("principal", "total", "accrued", "owed")


class NoTables:
    """A read model without rows."""

    def project(self, *_: Any) -> None:
        """Keep nothing."""


class BilledAccount:
    """One account, billed 4 500,00 for March 2026, and its penalty."""

    def __init__(self, *opening: ServiceAmount) -> None:
        self.clock = FixedClock(datetime(2026, 9, 1, 9, tzinfo=UTC))
        self.store = MemoryStore(EVENTS, NoTables(), self.clock)
        self.does("open", NUMBER, "household", date(2026, 4, 1), opening)
        line = ChargeLine("heating", "Отопление", 450_000, 450_000)
        self.does("post_charges", "2026-03", date(2026, 3, 31), date(2026, 4, 15), [line])

    def does(self, step: str, *given: Any) -> None:
        with context.bind(command_id=uuid4()):
            self.store.execute(
                lambda session, _: getattr(session.load(Account, account_id(NUMBER)), step)(*given),
                None,
            )

    def pays(self, amount: int, on: date, penalty: int = 0) -> UUID:
        payment_id = uuid4()
        self.does("post_payment", payment_id, on, amount, penalty)
        return payment_id

    def accrues(self, on: date) -> None:
        def accrue_one(session: Any, _: None) -> None:
            account = session.load(Account, account_id(NUMBER))
            accrue(account, on, LAW)

        with context.bind(command_id=uuid4()):
            self.store.execute(accrue_one, None)

    def penalty_on(self, on: date) -> dict[str, Any]:
        return self.store.query(lambda session: penalty(session, NUMBER, on, LAW))

    def sums(self, on: date) -> tuple[int, ...]:
        found = self.penalty_on(on)
        return tuple(found[name] for name in SUMS)


@pytest.fixture
def account() -> BilledAccount:
    """The worked example of the facts, paid in two parts; the penalty is paid ten days later."""
    made = BilledAccount()
    made.pays(200_000, JUNE)
    made.pays(250_000, AUGUST)
    made.accrues(AUGUST)
    made.pays(0, date(2026, 8, 20), 11_963)
    return made


@pytest.mark.parametrize(
    ("on", "sums"),
    [
        (date(2026, 3, 1), (0, 0, 0, 0)),
        (date(2026, 5, 15), (450_000, 0, 0, 0)),
        (date(2026, 6, 19), (450_000, 4_988, 0, 4_988)),
        (JUNE, (250_000, 5_130, 0, 5_130)),
        (JULY, (250_000, 7_030, 0, 7_030)),
        (AUGUST, (0, 11_963, 11_963, 11_963)),
        (date(2026, 8, 19), (0, 11_963, 11_963, 11_963)),
        (date(2026, 8, 20), (0, 11_963, 11_963, 0)),
        (TODAY, (0, 11_963, 11_963, 0)),
        (date(2027, 1, 1), (0, 11_963, 11_963, 0)),
    ],
)
def test_a_past_day_has_the_penalty_of_its_end(
    account: BilledAccount, on: date, sums: tuple[int, ...]
) -> None:
    assert account.sums(on) == sums


def test_a_past_day_ignores_events_that_took_effect_later(account: BilledAccount) -> None:
    payment = account.pays(100, date(2026, 8, 25))
    then = account.penalty_on(JULY)
    account.does("reverse_payment", payment, date(2026, 8, 30), "chargeback")
    assert account.penalty_on(JULY) == then
    [debt] = then["debts"]
    assert (debt["unpaid"], then["provisional"]) == (250_000, True)


def test_a_payment_counts_until_the_day_of_its_reversal() -> None:
    account = BilledAccount()
    payment = account.pays(450_000, JUNE)
    account.does("reverse_payment", payment, date(2026, 8, 25), "chargeback")
    assert account.sums(AUGUST) == (0, 5_130, 0, 5_130)
    assert account.penalty_on(TODAY)["principal"] == 450_000
    assert account.penalty_on(TODAY)["total"] > account.penalty_on(AUGUST)["total"]


def test_capital_repair_is_a_debt_of_its_own_and_says_so() -> None:
    account = BilledAccount()
    lines = [
        ChargeLine(service, service, 100_000, 100_000) for service in ("heating", "capital_repair")
    ]
    account.does("post_charges", "2026-04", date(2026, 4, 30), date(2026, 5, 15), lines)
    found = [(debt["period"], debt["payer_kind"]) for debt in account.penalty_on(TODAY)["debts"]]
    assert found == [
        ("2026-03", "household"),
        ("2026-04", "household"),
        ("2026-04", "capital_repair"),
    ]


def test_an_opening_balance_is_late_from_its_own_day_in_the_past_too() -> None:
    # The bill of March took effect the day before the account was taken over, with its debt.
    account = BilledAccount(ServiceAmount("heating", 100_000))
    found = account.penalty_on(date(2026, 5, 2))
    assert found["principal"] == 550_000
    [debt] = [debt for debt in found["debts"] if debt["period"] == "0001-01"]
    assert [(s["from"], s["to"], s["divisor"]) for s in debt["segments"]] == [
        ("2026-04-02", "2026-05-01", None),
        ("2026-05-02", "2026-05-02", 300),
    ]


def test_yesterday_has_the_penalty_it_had_as_today() -> None:
    account = BilledAccount()
    account.pays(200_000, JUNE)
    today = account.sums(TODAY)
    account.clock.advance(timedelta(days=1))
    assert account.sums(TODAY) == today
