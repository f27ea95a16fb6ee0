"""An account from its row decides as the account with its history, or asks for that history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from shared.errors import Conflict
from shared.eventstore import NeedsHistoryError

LAW = PenaltyLaw(load_rules(environ={}))
SERVICES = ("heating", "water", "capital_repair")
KINDS = ("household", "organisation", "managing_company")
Step: TypeAlias = Callable[[Account], Any]


def by_its_row(account: Account) -> Account:
    """Return the account as the read model has it."""
    row = msgspec.json.decode(msgspec.json.encode(account.snapshot()))
    read = Account.from_row(account.id, row)
    read.law = account.law
    return read


def opened(on: date, payer_kind: str = "household", *opening: ServiceAmount) -> Account:
    account = Account(account_id("1"))
    account.law = LAW
    account.open("1", payer_kind, on, opening)
    return account


class History:
    """A random history, in any order of recording, in the months of one year and the next."""

    def __init__(self, random: Random, year: int) -> None:
        self._random = random
        self._start = date(year, 1, 10)
        self._months = [f"{year}-{month:02}" for month in range(1, 13)]
        self._span = random.choice([60, 200, 400])
        self._in_order = random.random() < 0.5
        self._day = self._start
        sums = [random.choice([0, 500_00, 12_34, -300_00]) for _ in SERVICES]
        opening = [ServiceAmount(s, n) for s, n in zip(SERVICES, sums, strict=True) if n]
        self.account = opened(self._start, random.choice(KINDS), *opening)

    def day(self) -> date:
        if self._in_order and self._random.random() < 0.9:
            self._day += timedelta(self._random.randint(0, self._span // 5))
            return self._day
        return self._start + timedelta(self._random.randint(0, self._span))

    def bill_or_payment(self) -> Step:
        if self._random.random() < 0.5 and len(self.account.charged_periods) < len(self._months):
            return self._bill()
        return self._payment()

    def _bill(self) -> Step:
        left = [month for month in self._months if month not in self.account.charged_periods]
        month = left[0] if self._random.random() < 0.6 else self._random.choice(left)
        on = self.day()
        due_on = on + timedelta(self._random.choice([0, 10, 20, 40]))
        sums = [self._random.choice([100_00, 5_000_00, -40_00, 1_234_56]) for _ in SERVICES]
        chosen = self._random.sample(SERVICES, self._random.randint(1, 3))
        lines = [ChargeLine(s, s, n, n) for s, n in zip(chosen, sums, strict=False)]
        return lambda account: account.post_charges(month, on, due_on, lines)

    def _payment(self) -> Step:
        owed = self.account.principal + self.account.penalty
        amount = self._random.choice([owed or 1, owed + 1, owed // 2 + 1, 1_000_00, 7_000_00])
        penalty = self._random.choice([0, 0, None, self.account.penalty, 8_24])
        first = self._random.choice([None, None, None, *self._months[:3]])
        on, name = self.day(), UUID(int=self._random.getrandbits(100))
        return lambda account: account.post_payment(name, on, amount, penalty, first=first)

    def something_else(self) -> None:
        """Let something happen that takes the history."""
        account, random, on = self.account, self._random, self.day()
        paid = sorted(set(account.payments) - account.reversed)
        left = [name for name in paid if account.left_of(name)]
        match random.randint(0, 7):
            case 0 if account.charged_periods:
                lines = [ServiceAmount(random.choice(SERVICES), random.choice([-500_00, 300_00]))]
                month = random.choice(sorted(account.charged_periods))
                account.adjust_charges(UUID(int=random.getrandbits(99)), month, on, lines, "x")
            case 1 if paid:
                account.reverse_payment(random.choice(paid), on, "x")
            case 7 if left:
                name, refund = random.choice(left), UUID(int=random.getrandbits(99))
                amount = random.randint(1, account.left_of(name))
                account.refund_payment(name, refund, amount, on)
            case 2 if account.penalty:
                try:
                    account.write_off_penalty(random.randint(1, account.penalty), on, "x")
                except Conflict as refused:
                    assert refused.code == "penalty_not_owed"  # noqa: PT017
            case 3:
                account.change_payer_kind(random.choice(KINDS), on)
            case 4 if not account.opening:
                account.post_opening(on, [ServiceAmount("heating", random.choice([300, -200_00]))])
            case _:
                accrue(account, on, LAW)
                account.today = None


@settings(max_examples=250, deadline=None)
@given(random=st.randoms(use_true_random=True), year=st.sampled_from([2023, 2025]))
def test_a_row_decides_as_the_history_or_asks_for_it(random: Random, year: int) -> None:
    history = History(random, year)
    account = history.account
    for _ in range(random.randint(3, 14)):
        if random.random() < 0.3:
            history.something_else()
            continue
        step, known, read = history.bill_or_payment(), len(account.pending), by_its_row(account)
        try:
            step(read)
        except NeedsHistoryError:
            read = None  # type: ignore[assignment]
        step(account)
        if read is not None:
            assert read.pending == account.pending[known:]
            assert read.snapshot() == account.snapshot()
        stands_by_its_settlement(account)


def stands_by_its_settlement(account: Account) -> None:
    """Assert that an account stands as the settlement of its facts, taken anew, says."""
    again = Account(account.id)
    again.law = account.law
    for event in account.pending:
        again.replay(event)
    settled = again.settlement()
    assert again.snapshot() == account.snapshot()
    assert account.open_items == settled.open
    assert not (account.advance and (account.principal or account.penalty))
    owed = account.penalty_accrued - settled.penalty_paid - account.penalty_waived
    assert account.penalty - account.advance == owed - settled.advance


MARCH, APRIL, MAY = date(2025, 3, 31), date(2025, 4, 30), date(2025, 5, 31)


def bill(account: Account, period: str, on: date, due_on: date | None = None, **sums: int) -> None:
    lines = [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
    account.post_charges(period, on, due_on or on + timedelta(10), lines)


def pay(account: Account, on: date, amount: int, number: int = 1, **named: Any) -> None:
    account.post_payment(UUID(int=number), on, amount, 0, **named)


def advance_in_march(account: Account) -> None:
    pay(account, MARCH, 100)
    bill(account, "2025-05", MAY, heating=100)


def money_left_in_march(account: Account) -> None:
    bill(account, "2025-01", date(2025, 1, 31), heating=1_000_00)
    pay(account, MARCH, 1_000_01)  # 1 kopeck pays the penalty


def accrued_through_may(account: Account) -> None:
    bill(account, "2025-01", date(2025, 1, 31), heating=1_000_00)
    accrue(account, MAY, LAW)


NEEDS_HISTORY: list[tuple[str, Step, Step]] = [
    (
        "a bill that a later payment of an advance would have paid",
        advance_in_march,
        lambda account: bill(account, "2025-06", APRIL, heating=50),
    ),
    (
        "a bill that money left after principal would have paid",
        money_left_in_march,
        lambda account: bill(account, "2025-02", date(2025, 2, 28), MAY, heating=50),
    ),
    (
        "a payment before what was posted last",
        accrued_through_may,
        lambda account: pay(account, date(2025, 1, 30), 1),
    ),
    (
        "a payment of a day that is accrued",
        accrued_through_may,
        lambda account: pay(account, APRIL, 1),
    ),
    (
        "a bill that was due on a day that is accrued",
        accrued_through_may,
        lambda account: bill(account, "2025-02", date(2025, 2, 28), heating=50),
    ),
    (
        "money back on a day that is accrued",
        accrued_through_may,
        lambda account: bill(account, "2025-02", APRIL, MAY, heating=-50),
    ),
    (
        "money beyond principal where a penalty may be due",
        lambda account: bill(account, "2025-01", date(2025, 1, 31), heating=1_000_00),
        lambda account: pay(account, MAY, 1_000_01),
    ),
]


@pytest.mark.parametrize(
    ("before", "step"),
    [case[1:] for case in NEEDS_HISTORY],
    ids=[case[0] for case in NEEDS_HISTORY],
)
def test_a_row_asks_for_the_history_where_the_order_matters(before: Step, step: Step) -> None:
    account = opened(date(2025, 1, 10))
    before(account)
    read = by_its_row(account)
    with pytest.raises(NeedsHistoryError):
        step(read)
    assert (read.pending, read.snapshot()) == ([], by_its_row(account).snapshot())


def test_the_usual_bill_and_payment_need_no_history() -> None:
    account = opened(date(2025, 1, 10))
    for step in (
        lambda account: bill(account, "2025-03", MARCH, heating=1_000_00),
        lambda account: pay(account, APRIL, 1_000_00),
        # A bill that is imported a few days late, after the payment of the month before.
        lambda account: bill(account, "2025-04", date(2025, 4, 29), MAY, heating=1_000_00),
        lambda account: pay(account, MAY, 999_99, 2),
        lambda account: bill(account, "2025-05", MAY, date(2025, 6, 10), heating=1_000_00),
    ):
        read, known = by_its_row(account), len(account.pending)
        step(read)
        step(account)
        assert read.pending == account.pending[known:]
        assert read.snapshot() == account.snapshot()
