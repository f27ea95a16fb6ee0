"""The penalty of an account is that of its debts, calculated day by day by the law."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from penalty_oracle import of_debts

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue, penalties
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from shared.payer_kinds import PayerKind

LAW = PenaltyLaw(load_rules(environ={}))
NUMBER = "0100000001"
BILLED = [date(2025, month, 28) for month in range(7, 13)]
A_FORTNIGHT = timedelta(days=14)

SUMS = st.integers(1, 1_000_000)
BILLS = st.lists(st.dictionaries(st.sampled_from(["heating", "lift", "water"]), SUMS, min_size=1))
DAYS = st.dates(date(2025, 7, 1), date(2026, 8, 31))
PAID = st.lists(st.tuples(DAYS, st.integers(1, 2_000_000), st.booleans()), max_size=5)
# Capital repair has a rule of its own in the account of a household only.
PAYERS = st.sampled_from(sorted(PayerKind))


def account_of(
    payer: str,
    bills: list[dict[str, int]],
    paid: list[tuple[date, int, bool]],
    law: PenaltyLaw | None = None,
) -> Account:
    """An account with its events in the order of their days; a payment may bounce on its day.

    Without a law no penalty is known when it is paid, so that all money pays principal.
    """
    account = Account(account_id(NUMBER))
    account.law = law
    account.open(NUMBER, payer, BILLED[0])
    steps: list[tuple[date, int, dict[str, int] | tuple[int, bool]]] = [
        (day, place, bill) for place, (day, bill) in enumerate(zip(BILLED, bills, strict=False))
    ]
    # Those that bounce come last on their day: no other payment has taken their place.
    steps += [
        (day, (100 if back else 10) + place, (sum_, back))
        for place, (day, sum_, back) in enumerate(paid)
    ]
    for day, place, what in sorted(steps, key=lambda step: step[:2]):
        if isinstance(what, dict):
            lines = [ChargeLine(s, s, amount, amount) for s, amount in sorted(what.items())]
            account.post_charges(f"{day:%Y-%m}", day, day + A_FORTNIGHT, lines)
        else:
            account.post_payment(UUID(int=place), day, what[0], 0)
            if what[1]:
                account.reverse_payment(UUID(int=place), day, "it bounced")
    return account


@settings(deadline=None)  # the oracle takes the time it takes
@given(PAYERS, BILLS, PAID, DAYS)
def test_an_account_bears_what_its_debts_bear(
    payer: str, bills: list[dict[str, int]], paid: list[tuple[date, int, bool]], on: date
) -> None:
    account = account_of(payer, bills, paid)
    found = penalties(account, on, LAW)
    debts = [
        (sum(bill.values()), day + A_FORTNIGHT) for day, bill in zip(BILLED, bills, strict=False)
    ]
    kept = [(day, amount) for day, amount, bounced in paid if not bounced]
    due_by_then = [debt for debt in debts if debt[1] <= on]
    assert sum((debt.exact for debt in found), Fraction(0)) == of_debts(payer, debts, kept, on)
    assert len([debt for debt in found if debt.segments]) <= len(due_by_then)


@settings(deadline=None)
@given(BILLS, PAID, DAYS, st.dictionaries(st.integers(0, 5), st.integers(1, 100)))
def test_a_deduction_from_a_bill_never_bore_a_penalty(
    bills: list[dict[str, int]],
    paid: list[tuple[date, int, bool]],
    on: date,
    percents: dict[int, int],
) -> None:
    """A recalculation in the payer's favour, before he pays, is as if the bill had been less.

    As of its day and later; a day before it has the penalty that it had.
    """
    on = max(on, BILLED[-1])
    account, less = account_of("household", bills, []), []
    for place, (day, bill) in enumerate(zip(BILLED, bills, strict=False)):
        off = {s: amount * percents.get(place, 0) // 100 for s, amount in bill.items()}
        lines = [ServiceAmount(s, -amount) for s, amount in off.items() if amount]
        if lines:
            account.adjust_charges(UUID(int=place), f"{day:%Y-%m}", BILLED[-1], lines, "no heat")
        less.append((sum(bill.values()) - sum(off.values()), day + A_FORTNIGHT))
    kept = [(max(day, BILLED[-1]), amount) for day, amount, _ in paid]
    for place, (day, amount) in enumerate(sorted(kept)):
        account.post_payment(UUID(int=place), day, amount, 0)
    exact = sum((p.exact for p in penalties(account, on, LAW)), Fraction(0))
    assert exact == of_debts("household", less, kept, on)


@settings(deadline=None)
@given(PAYERS, BILLS, PAID, DAYS)
def test_the_accrued_penalty_is_the_rounded_penalty_of_the_debts(
    payer: str, bills: list[dict[str, int]], paid: list[tuple[date, int, bool]], on: date
) -> None:
    account = account_of(payer, bills, paid, LAW)
    on = max([on, *BILLED[: len(bills)], *(day for day, _, _ in paid)])
    accrue(account, on, LAW)
    found, settled = penalties(account, on, LAW), account.settlement(on)
    accrued = account.penalty_accrued
    assert accrued == sum(debt.total for debt in found)
    assert account.penalty == accrued - settled.penalty_paid >= 0
    assert not (account.advance and (account.principal or account.penalty))
    segments = sum(len(debt.segments) for debt in found)
    assert abs(accrued - sum((debt.exact for debt in found), Fraction(0))) <= Fraction(segments, 2)
