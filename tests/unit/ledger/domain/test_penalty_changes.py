"""A penalty accrued, corrected, waived: what is owed of it, and what was paid of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ledger_steps import (
    DAY,
    EARLIER,
    LATER,
    NUMBER,
    an_account,
    correct,
    last,
    pay,
    sums,
)

from services.ledger.domain import EVENTS
from services.ledger.domain.events import (
    PaymentPosted,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltySegment,
    PenaltyWrittenOff,
)
from shared.errors import Conflict, ValidationFailed
from shared.money import MAX_AMOUNT


def test_an_accrual_has_its_segments() -> None:
    account = an_account()
    segment = PenaltySegment("2026-03", DAY, LATER, 6, 4_500_00, "9.5", 300, 8_55)
    account.accrue_penalty(
        8_55, LATER, "household-2026", through=LATER, provisional=True, segments=[segment]
    )
    assert last(account) == PenaltyAccrued(
        account=NUMBER,
        amount=8_55,
        effective_on=LATER,
        rule="household-2026",
        through=LATER,
        provisional=True,
        segments=(segment,),
        moved=(),
    )
    account.accrue_penalty(5, DAY, "of the billing centre")
    assert (last(account).through, last(account).provisional) == (DAY, False)


def test_a_correction_names_the_last_accrual_or_correction() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    correct(account, -30)
    assert last(account) == PenaltyCorrected(
        account=NUMBER,
        corrects=2,
        amount=-30,
        effective_on=DAY,
        rule="rule-1",
        reason="a payment came",
        through=DAY,
        moved=(),
    )
    correct(account, 5)
    assert last(account).corrects == 3
    assert sums(account) == (0, 75, 0)


def test_a_paid_penalty_taken_back_is_an_advance() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    pay(account, 0, 80)
    correct(account, -50)
    assert (last(account).waived, last(account).advance) == (0, 30)
    assert sums(account) == (0, 0, 30)


def test_a_waived_penalty_taken_back_moves_no_money() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    pay(account, 0, 30)
    account.write_off_penalty(60, DAY, "a court decision")
    correct(account, -75)
    # 10 was owed, 60 waived, and 5 of it was paid.
    assert (last(account).waived, last(account).advance) == (60, 5)
    assert sums(account) == (0, 0, 5)


def test_a_correction_up_is_owed() -> None:
    account = an_account()
    account.accrue_penalty(10, DAY, "rule-1")
    correct(account, 7)
    assert (sums(account), last(account).advance) == ((0, 17, 0), 0)


def test_a_penalty_is_waived_as_far_as_it_is_owed() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    correct(account, 0)
    with pytest.raises(Conflict) as refused:
        account.write_off_penalty(101, DAY, "x")
    assert (refused.value.code, refused.value.params) == ("penalty_not_owed", {"penalty": 100})
    account.write_off_penalty(100, DAY, "a court decision")
    assert last(account) == PenaltyWrittenOff(
        account=NUMBER,
        corrects=3,
        amount=100,
        effective_on=DAY,
        reason="a court decision",
        moved=(),
    )
    assert sums(account) == (0, 0, 0)


def test_a_change_of_the_penalty_takes_effect_no_earlier_than_what_made_it() -> None:
    account = an_account()
    account.accrue_penalty(100, LATER, "rule-1")
    account.accrue_penalty(100, DAY, "rule-1")
    account.write_off_penalty(5, EARLIER, "x")
    assert last(account).effective_on == LATER
    account.write_off_penalty(5, LATER + timedelta(days=2), "x")
    correct(account, -1, EARLIER)
    assert last(account).effective_on == LATER + timedelta(days=2)
    correct(account, -1, LATER + timedelta(days=3))
    account.write_off_penalty(5, EARLIER, "x")
    assert last(account).effective_on == LATER + timedelta(days=3)


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1])
def test_a_penalty_is_a_sum_above_zero(amount: int) -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    with pytest.raises(ValidationFailed) as refused:
        account.accrue_penalty(amount, DAY, "rule-1")
    assert refused.value.code == "invalid_amount"
    with pytest.raises(ValidationFailed) as refused:
        account.write_off_penalty(amount, DAY, "x")
    assert refused.value.code == "invalid_amount"
    assert account.version == 2


def test_a_payment_without_a_policy_named_its_penalty() -> None:
    state = (
        b'{"account":"0100000001","payment_id":"7f1c5c58-3d7e-4f2a-9b61-0d8f0e6f5a21",'
        b'"effective_on":"2026-06-20","amount":10,"penalty":5,"allocation":[],'
        b'"penalty_allocated":5,"advance":10}'
    )
    event = EVENTS.decode("ledger.payment_posted.v1", state)
    assert isinstance(event, PaymentPosted)
    assert (event.policy, event.named_period, event.penalty_named) == ("", "", True)
