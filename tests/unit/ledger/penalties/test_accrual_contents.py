"""The contents of an accrual, from which it can be explained years later; its smallest sums."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.decision import BY_LATER_ENTRY
from services.ledger.domain.events import (
    ChargeLine,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltySegment,
)
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules

RULES = load_rules(environ={})
BILLED, DUE = date(2026, 3, 31), date(2026, 4, 15)
JUNE, JULY, AUGUST = date(2026, 6, 20), date(2026, 7, 20), date(2026, 8, 10)


@pytest.fixture
def account() -> Account:
    made = Account(account_id("0100000001"))
    made.open("0100000001", "household", date(2019, 1, 1))
    return made


def bill(account: Account, amount: int, period: str = "2026-03", due_on: date = DUE) -> None:
    on = min(BILLED, due_on)
    account.post_charges(period, on, due_on, [ChargeLine("heating", "Отопление", amount, amount)])


def accrued(account: Account, on: date) -> list[Any]:
    """The events that an accrual adds."""
    known = len(account.pending)
    accrue(account, on, PenaltyLaw(RULES))
    return list(account.pending[known:])


FIRST = PenaltySegment("2026-03", date(2026, 5, 16), JUNE, 36, 450_000, "9.5", 300, 51_30)
UNTIL_JULY = [
    PenaltySegment("2026-03", date(2026, 5, 16), date(2026, 7, 14), 60, 450_000, "9.5", 300, 85_50),
    PenaltySegment("2026-03", date(2026, 7, 15), JULY, 6, 450_000, "9.5", 130, 19_73),
]


def test_an_accrual_has_the_segments_that_bear_something(account: Account) -> None:
    bill(account, 450_000)
    assert accrued(account, JUNE) == [
        PenaltyAccrued(
            account=account.number,
            amount=51_30,
            effective_on=JUNE,
            rule=RULES.version,
            through=JUNE,
            provisional=True,
            segments=(FIRST,),
            moved=(),
        )
    ]


def test_a_later_accrual_has_the_segments_of_the_whole_penalty(account: Account) -> None:
    bill(account, 450_000)
    accrued(account, JUNE)
    [event] = accrued(account, JULY)
    assert event.amount == 85_50 + 19_73 - 51_30
    assert (event.through, list(event.segments)) == (JULY, UNTIL_JULY)


def test_the_penalty_on_a_paid_debt_is_not_provisional(account: Account) -> None:
    bill(account, 450_000)
    account.post_payment(UUID(int=1), JUNE, 450_000, 0)
    [event] = accrued(account, AUGUST)
    assert (event.amount, event.provisional, event.segments) == (51_30, False, (FIRST,))


def test_a_segment_too_small_for_a_kopeck_is_not_listed(account: Account) -> None:
    bill(account, 1, "2026-02", date(2026, 3, 10))
    bill(account, 450_000)
    [event] = accrued(account, JUNE)
    assert event.segments == (FIRST,)


def test_a_penalty_of_one_kopeck_is_accrued(account: Account) -> None:
    bill(account, 45)
    [event] = accrued(account, date(2026, 7, 14))  # 60 days: 0.855 of a kopeck
    assert event.amount == 1


def test_a_payment_known_late_corrects_what_was_accrued_by_then(account: Account) -> None:
    bill(account, 450_000)
    accrued(account, JULY)
    account.post_payment(UUID(int=1), JUNE, 200_000, 0)
    *_, payment, correction = account.pending
    assert (payment.allocation, payment.advance) == (
        (AllocatedPart("2026-03", "heating", 200_000),),
        0,
    )
    # By 20 July 250 000 were open since 21 June: 24 days by 300, 6 days by 130.
    rest = [
        FIRST,
        PenaltySegment(
            "2026-03", date(2026, 6, 21), date(2026, 7, 14), 24, 250_000, "9.5", 300, 19_00
        ),
        PenaltySegment("2026-03", date(2026, 7, 15), JULY, 6, 250_000, "9.5", 130, 10_96),
    ]
    assert correction == PenaltyCorrected(
        account=account.number,
        corrects=3,
        amount=51_30 + 19_00 + 10_96 - 85_50 - 19_73,
        effective_on=JULY,
        rule=RULES.version,
        reason=BY_LATER_ENTRY,
        through=JULY,
        provisional=True,
        segments=tuple(rest),
        moved=(),
    )
    [addition] = accrued(account, AUGUST)
    assert addition.amount == 49_33 - 10_96
    assert (addition.through, addition.segments[-1].amount) == (AUGUST, 49_33)


def test_a_correction_of_a_paid_debt_is_not_provisional(account: Account) -> None:
    bill(account, 450_000)
    accrued(account, AUGUST)
    account.post_payment(UUID(int=1), JUNE, 450_000, 0)
    correction: Any = account.pending[-1]
    assert accrued(account, AUGUST) == []
    assert (correction.amount, correction.provisional) == (51_30 - 85_50 - 88_79, False)
    assert (correction.through, correction.segments) == (AUGUST, (FIRST,))


def test_a_falling_rate_takes_back_the_excess_of_the_higher_one(
    account: Account,
) -> None:
    # Unpaid, so the rate of the day of the calculation holds for all days: on 28 July 2019 7.5 %,
    # from the 29th 7.25 %. 100 000.00 due on 10 April: 30 days bear nothing, 60 days 1/300, and
    # 19 days (20 from the 29th) 1/130.
    bill(account, 10_000_000, "2019-03", date(2019, 4, 10))
    higher = 1_500_00 + 1_096_15
    lower = 1_450_00 + 1_115_38
    [first] = accrued(account, date(2019, 7, 28))
    assert first.amount == higher
    [correction] = accrued(account, date(2019, 7, 29))
    assert isinstance(correction, PenaltyCorrected)
    assert (correction.amount, correction.corrects) == (lower - higher, 3)
    assert (correction.effective_on, correction.through) == (date(2019, 7, 29), date(2019, 7, 29))
    assert (correction.rule, correction.provisional) == (RULES.version, True)
    assert [segment.rate for segment in correction.segments] == ["7.25", "7.25"]
    assert account.penalty == lower


def test_the_last_day_that_anyone_accrued_counts_not_the_last_that_was_recorded(
    account: Account,
) -> None:
    bill(account, 450_000)
    account.accrue_penalty(10_00, AUGUST, "centre", through=AUGUST)
    account.accrue_penalty(5_00, JUNE, "centre", through=JUNE)
    assert accrued(account, JULY) == []
    [correction] = accrued(account, AUGUST)
    assert correction.amount == 85_50 + 88_79 - 15_00
