"""What corrects the books: recalculations, penalties that turn out otherwise, reversals."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.debts import debts
from services.ledger.domain import EVENTS, OPENING_PERIOD, Account, account_id
from services.ledger.events import (
    ChargeLine,
    ChargesAdjusted,
    PaymentPosted,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltySegment,
    PenaltyWrittenOff,
    ServiceAmount,
)
from services.ledger.settlement import Policy, Settled
from shared.errors import Conflict, NotFound, ServiceError, ValidationFailed
from shared.money import MAX_AMOUNT

NUMBER = "0100000001"
DAY = date(2026, 11, 10)
LATER, EARLIER = DAY + timedelta(days=5), DAY - timedelta(days=5)
OCTOBER, NOVEMBER = "2026-10", "2026-11"
HEATING_FIRST = Policy(name="heating-first", services="ranked", ranking=("heating",))


def an_account(*opening: ServiceAmount) -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", DAY, opening)
    return account


def bill(account: Account, period: str = OCTOBER, **sums: int) -> None:
    lines = [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
    account.post_charges(period, DAY, DAY, lines)


def adjust(account: Account, period: str = OCTOBER, on: date = DAY, **sums: int) -> UUID:
    name = uuid4()
    lines = [ServiceAmount(service, amount) for service, amount in sums.items()]
    assert account.adjust_charges(name, period, on, lines, "no hot water")
    return name


def pay(account: Account, amount: int, penalty: int | None = 0, **named: Any) -> UUID:
    name = uuid4()
    assert account.post_payment(name, DAY, amount, penalty, **named)
    return name


def correct(account: Account, amount: int, on: date = DAY) -> None:
    account.correct_penalty(amount, on, "rule-1", "a payment came", through=on)


def last(account: Account) -> Any:
    return account.pending[-1]


def sums(account: Account) -> tuple[int, int, int]:
    return account.principal, account.penalty, account.advance


# Recalculations.


def test_what_is_owed_in_addition_is_owed_in_its_month() -> None:
    account = an_account()
    bill(account, heating=100)
    name = adjust(account, heating=30, water=5)
    assert account.open_items == {OCTOBER: {"heating": 130, "water": 5}}
    assert last(account) == ChargesAdjusted(
        account=NUMBER,
        adjustment_id=name,
        corrects=2,
        period=OCTOBER,
        effective_on=DAY,
        reason="no hot water",
        lines=(ServiceAmount("heating", 30), ServiceAmount("water", 5)),
    )


def test_what_is_taken_off_is_first_what_is_open_and_then_an_advance() -> None:
    account = an_account()
    bill(account, heating=100, water=50)
    pay(account, 60, policy=HEATING_FIRST)
    adjust(account, heating=-70)
    assert last(account).released == (Settled(OCTOBER, "heating", 40),)
    assert last(account).advance == 30
    assert account.open_items == {OCTOBER: {"water": 50}}
    assert account.advance == 30


def test_what_is_taken_off_one_service_does_not_pay_what_was_open_before() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 100)
    bill(account, NOVEMBER, heating=100)
    adjust(account, heating=-40)
    assert sums(account) == (100, 0, 40)


def test_what_is_added_is_paid_at_once_by_an_advance_and_by_what_is_taken_off() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 110)
    adjust(account, heating=-30, water=50)
    assert last(account).settled == (Settled(OCTOBER, "water", 40),)
    assert sums(account) == (10, 0, 0)


def test_a_recalculation_is_made_once() -> None:
    account = an_account()
    bill(account, heating=100)
    name = adjust(account, heating=-10)
    assert not account.adjust_charges(name, OCTOBER, DAY, [ServiceAmount("heating", -10)], "x")
    assert account.principal == 90


def test_a_recalculation_takes_effect_no_earlier_than_its_bill() -> None:
    account = an_account()
    bill(account, heating=100)
    adjust(account, on=EARLIER, heating=-10)
    assert last(account).effective_on == DAY
    adjust(account, on=LATER, heating=-10)
    assert last(account).effective_on == LATER


def test_a_month_without_a_bill_has_nothing_to_recalculate() -> None:
    account = an_account(ServiceAmount("heating", 100))
    for period in (OCTOBER, OPENING_PERIOD):
        with pytest.raises(NotFound) as refused:
            adjust(account, period, heating=-10)
        assert refused.value.code == "period_not_charged"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "invalid_adjustment"),
        ([ServiceAmount("heating", 0)], "invalid_adjustment"),
        ([ServiceAmount("heating", 5), ServiceAmount("water", 0)], "invalid_adjustment"),
        ([ServiceAmount("heating", 5), ServiceAmount("heating", 6)], "invalid_adjustment"),
        ([ServiceAmount("penalty", 5)], "invalid_adjustment"),
        ([ServiceAmount("heating", MAX_AMOUNT + 1)], "invalid_amount"),
        ([ServiceAmount("heating", -MAX_AMOUNT - 1)], "invalid_amount"),
    ],
)
def test_a_recalculation_that_is_none_is_refused(lines: list[ServiceAmount], code: str) -> None:
    account = an_account()
    bill(account, heating=100)
    with pytest.raises(ValidationFailed) as refused:
        account.adjust_charges(uuid4(), OCTOBER, DAY, lines, "x")
    assert refused.value.code == code
    assert account.version == 2


def test_the_largest_sums_are_sums_still() -> None:
    account = an_account()
    bill(account, heating=100)
    adjust(account, heating=MAX_AMOUNT)
    adjust(account, heating=-MAX_AMOUNT)
    account.accrue_penalty(MAX_AMOUNT, DAY, "rule-1")
    correct(account, -MAX_AMOUNT)
    pay(account, MAX_AMOUNT, MAX_AMOUNT)
    assert sums(account) == (0, 0, 2 * MAX_AMOUNT - 100)


# Bills.


@pytest.mark.parametrize(
    "period", ["", "2026-13", "2026-00", "2026-1", "2026-10-01", "202610", "٢٠٢٦-10", "0001-01"]
)
def test_a_bill_is_of_a_month(period: str) -> None:
    account = an_account()
    with pytest.raises(ValidationFailed) as refused:
        bill(account, period, heating=100)
    assert refused.value.code == "invalid_charges"
    assert refused.value.params == {"period": period}


@pytest.mark.parametrize("code", ["penalty", "advance"])
def test_no_service_is_called_like_another_row_of_the_books(code: str) -> None:
    account = an_account()
    with pytest.raises(ValidationFailed, match="No service can have the code"):
        bill(account, **{code: 100})
    with pytest.raises(ValidationFailed):
        Account(account_id("2")).open("2", "household", DAY, [ServiceAmount(code, 100)])


def test_money_back_on_one_line_pays_the_others_first() -> None:
    account = an_account()
    bill(account, heating=100, water=-130)
    assert last(account).settled == (Settled(OCTOBER, "heating", 100),)
    assert sums(account) == (0, 0, 30)
    assert account.open_items == {}


@pytest.mark.parametrize(
    "opening",
    [
        [ServiceAmount("heating", 5), ServiceAmount("heating", 5)],
        [ServiceAmount("heating", MAX_AMOUNT + 1)],
        [ServiceAmount("heating", -MAX_AMOUNT - 1)],
    ],
)
def test_an_opening_that_is_none_is_refused(opening: list[ServiceAmount]) -> None:
    account = Account(account_id(NUMBER))
    with pytest.raises(ValidationFailed):
        account.open(NUMBER, "household", DAY, opening)
    assert account.version == 0


# Penalties.


def test_an_accrual_says_what_it_is_made_of() -> None:
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
    )
    correct(account, 5)
    assert last(account).corrects == 3
    assert sums(account) == (0, 75, 0)


def test_what_is_taken_back_of_a_penalty_that_was_paid_is_an_advance() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    pay(account, 0, 80)
    correct(account, -50)
    assert (last(account).waived, last(account).advance) == (0, 30)
    assert sums(account) == (0, 0, 30)


def test_what_is_taken_back_of_a_penalty_that_was_waived_is_nobody_s_money() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    pay(account, 0, 30)
    account.write_off_penalty(60, DAY, "a court said so")
    correct(account, -75)
    # 10 was owed, 60 waived, and 5 of it was paid.
    assert (last(account).waived, last(account).advance) == (60, 5)
    assert sums(account) == (0, 0, 5)


def test_a_correction_up_is_owed() -> None:
    account = an_account()
    account.accrue_penalty(10, DAY, "rule-1")
    correct(account, 7)
    assert (sums(account), last(account).advance) == ((0, 17, 0), 0)


def test_nothing_accrued_is_nothing_to_correct() -> None:
    account = an_account()
    with pytest.raises(Conflict) as refused:
        correct(account, -1)
    assert refused.value.code == "no_penalty_accrued"


@pytest.mark.parametrize("amount", [-101, MAX_AMOUNT + 1, -MAX_AMOUNT - 1])
def test_a_correction_beyond_what_was_accrued_is_refused(amount: int) -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    with pytest.raises(ValidationFailed) as refused:
        correct(account, amount)
    assert refused.value.code == "invalid_amount"
    correct(account, -100)
    with pytest.raises(ValidationFailed):
        correct(account, -1)


def test_a_penalty_is_waived_as_far_as_it_is_owed() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    correct(account, 0)
    with pytest.raises(Conflict) as refused:
        account.write_off_penalty(101, DAY, "x")
    assert (refused.value.code, refused.value.params) == ("penalty_not_owed", {"penalty": 100})
    account.write_off_penalty(100, DAY, "a court said so")
    assert last(account) == PenaltyWrittenOff(
        account=NUMBER, corrects=3, amount=100, effective_on=DAY, reason="a court said so"
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


def test_the_first_shape_of_an_accrual_counted_through_its_day() -> None:
    state = b'{"account":"0100000001","amount":5130,"effective_on":"2026-06-20","rule":"r"}'
    assert EVENTS.decode("ledger.penalty_accrued.v1", state) == PenaltyAccrued(
        account=NUMBER,
        amount=51_30,
        effective_on=date(2026, 6, 20),
        rule="r",
        through=date(2026, 6, 20),
    )


def test_the_first_shape_of_a_payment_named_its_penalty() -> None:
    state = (
        b'{"account":"0100000001","payment_id":"7f1c5c58-3d7e-4f2a-9b61-0d8f0e6f5a21",'
        b'"effective_on":"2026-06-20","amount":10,"penalty":5,"settled":[],'
        b'"penalty_settled":5,"advance":10}'
    )
    event = EVENTS.decode("ledger.payment_posted.v1", state)
    assert isinstance(event, PaymentPosted)
    assert (event.policy, event.named_period, event.penalty_named) == ("", "", True)


# Reversals.


def test_a_reversal_undoes_what_the_payment_did() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(20, DAY, "rule-1")
    name = pay(account, 130, 15)
    assert account.reverse_payment(name, LATER, "refused by the bank") is True
    assert last(account) == PaymentReversed(
        account=NUMBER,
        payment_id=name,
        corrects=3,
        effective_on=LATER,
        reason="refused by the bank",
        amount=130,
        penalty=15,
        restored=(Settled(OPENING_PERIOD, "heating", 100),),
        penalty_restored=15,
        advance_taken=30,
    )
    assert sums(account) == (100, 20, 0)
    assert account.reverse_payment(name, LATER, "again") is False


def test_a_payment_that_was_not_posted_has_no_reversal() -> None:
    with pytest.raises(NotFound) as refused:
        an_account().reverse_payment(uuid4(), DAY, "x")
    assert refused.value.code == "payment_not_posted"


def test_a_reversal_takes_effect_no_earlier_than_the_payment() -> None:
    account = an_account()
    account.reverse_payment(pay(account, 10), EARLIER, "x")
    assert last(account).effective_on == DAY


def test_what_its_advance_has_paid_is_owed_again_the_last_bill_first() -> None:
    account = an_account()
    first = pay(account, 100)
    pay(account, 60)
    bill(account, OCTOBER, heating=90)
    bill(account, NOVEMBER, heating=40, water=20)
    assert sums(account) == (0, 0, 10)
    account.reverse_payment(first, DAY, "x")
    assert last(account).advance_taken == 10
    assert last(account).reopened == (
        Settled(NOVEMBER, "water", 20),
        Settled(NOVEMBER, "heating", 40),
        Settled(OCTOBER, "heating", 30),
    )
    assert account.open_items == {
        OCTOBER: {"heating": 30},
        NOVEMBER: {"heating": 40, "water": 20},
    }


def test_a_bill_that_was_taken_off_since_is_not_owed_again() -> None:
    account = an_account()
    name = pay(account, 200)
    bill(account, OCTOBER, heating=100)
    bill(account, NOVEMBER, water=100)
    adjust(account, NOVEMBER, water=-100)
    account.reverse_payment(name, DAY, "x")
    # Water costs nothing any more; what it had cost went into the advance and out of it.
    assert last(account).advance_taken == 100
    assert account.open_items == {OCTOBER: {"heating": 100}}
    assert sums(account) == (100, 0, 0)


def test_what_it_paid_of_a_bill_that_was_lowered_since_comes_out_of_the_advance() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    adjust(account, heating=-60)
    account.reverse_payment(name, DAY, "x")
    assert last(account).restored == (Settled(OCTOBER, "heating", 40),)
    assert last(account).advance_taken == 60
    assert sums(account) == (40, 0, 0)


def test_a_bill_lowered_beyond_its_sum_and_raised_again_is_what_it_was_raised_by() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    adjust(account, heating=-150)
    adjust(account, heating=30)
    assert (account.billed(OCTOBER), sums(account)) == ({"heating": 30}, (0, 0, 120))
    account.reverse_payment(name, DAY, "x")
    # 100 of the 150 was the payment's; of the 50 that nobody had paid, 30 went into the bill.
    assert sums(account) == (0, 0, 20)


def test_recalculations_of_other_months_do_not_lower_a_bill() -> None:
    account = an_account()
    bill(account, OCTOBER, heating=100, water=-5)
    bill(account, NOVEMBER, heating=100)
    adjust(account, NOVEMBER, heating=-60)
    assert account.billed(OCTOBER) == {"heating": 100, "water": 0}
    assert account.billed(NOVEMBER) == {"heating": 40}


def test_what_was_paid_last_is_given_back_first() -> None:
    account = an_account()
    bill(account, heating=100)
    first, second = pay(account, 60), pay(account, 40)
    adjust(account, heating=-50)
    assert sums(account) == (0, 0, 50)
    account.reverse_payment(second, DAY, "x")
    assert (last(account).restored, last(account).advance_taken) == ((), 40)
    account.reverse_payment(first, DAY, "x")
    assert last(account).restored == (Settled(OCTOBER, "heating", 50),)
    assert sums(account) == (50, 0, 0)


def test_what_is_added_after_it_was_given_back_is_paid_anew() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 100)
    adjust(account, heating=-60)
    bill(account, NOVEMBER, heating=60)
    adjust(account, heating=20)
    again = pay(account, 20)
    assert sums(account) == (0, 0, 0)
    account.reverse_payment(again, DAY, "x")
    assert last(account).restored == (Settled(OCTOBER, "heating", 20),)
    assert account.open_items == {OCTOBER: {"heating": 20}}


def test_what_is_owed_again_is_what_a_penalty_is_on() -> None:
    account = an_account()
    bill(account, heating=100)
    first = pay(account, 100)
    adjust(account, heating=20)
    second = pay(account, 20)
    account.reverse_payment(first, DAY, "x")
    pay(account, 100)
    adjust(account, heating=-20)
    account.reverse_payment(second, DAY, "x")
    assert account.open_items == {OCTOBER: {"heating": 20}}
    (debt,) = debts(account.pending)
    assert sum(part.amount for part in debt.parts if part.paid_on is None) == 20


def test_what_two_reversals_take_is_taken_once() -> None:
    account = an_account()
    first, second = pay(account, 50), pay(account, 50)
    bill(account, OCTOBER, heating=70)
    bill(account, NOVEMBER, heating=30)
    account.reverse_payment(first, DAY, "x")
    assert account.open_items == {OCTOBER: {"heating": 20}, NOVEMBER: {"heating": 30}}
    account.reverse_payment(second, DAY, "x")
    assert last(account).reopened == (Settled(OCTOBER, "heating", 50),)
    assert account.open_items == {OCTOBER: {"heating": 70}, NOVEMBER: {"heating": 30}}


def test_a_waiver_does_not_touch_what_was_paid() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    name = pay(account, 0, 40)
    account.write_off_penalty(60, DAY, "x")
    account.reverse_payment(name, DAY, "x")
    assert (last(account).penalty_restored, sums(account)) == (40, (0, 40, 0))


def test_a_balance_taken_over_later_is_paid_by_the_advance_and_owed_again() -> None:
    account = an_account()
    name = pay(account, 80)
    account.post_opening(DAY, [ServiceAmount("heating", 100), ServiceAmount("lift", -30)])
    assert last(account).settled == (Settled(OPENING_PERIOD, "heating", 80),)
    assert sums(account) == (20, 0, 30)
    account.reverse_payment(name, DAY, "x")
    assert last(account).reopened == (Settled(OPENING_PERIOD, "heating", 50),)
    assert sums(account) == (70, 0, 0)


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        ([], "invalid_opening"),
        ([ServiceAmount("heating", 0)], "invalid_opening"),
        ([ServiceAmount("heating", 1), ServiceAmount("heating", 2)], "invalid_opening"),
        ([ServiceAmount("heating", MAX_AMOUNT + 1)], "invalid_amount"),
        ([ServiceAmount("heating", -MAX_AMOUNT - 1)], "invalid_amount"),
    ],
)
def test_a_balance_to_take_over_that_is_none_is_refused(
    opening: list[ServiceAmount], code: str
) -> None:
    account = an_account()
    with pytest.raises(ValidationFailed) as refused:
        account.post_opening(DAY, opening)
    assert (refused.value.code, account.version) == (code, 1)


def test_a_balance_is_taken_over_once() -> None:
    account = an_account(ServiceAmount("heating", 1))
    with pytest.raises(Conflict) as refused:
        account.post_opening(DAY, [ServiceAmount("heating", 1)])
    assert refused.value.code == "opening_posted"
    account = an_account()
    account.post_opening(DAY, [ServiceAmount("heating", 1)])
    with pytest.raises(Conflict):
        account.post_opening(DAY, [ServiceAmount("heating", 1)])
    with pytest.raises(NotFound):
        Account(account_id("9")).post_opening(DAY, [ServiceAmount("heating", 1)])


def test_a_penalty_taken_back_since_it_was_paid_is_not_owed_again() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    name = pay(account, 0, 100)
    correct(account, -70)
    assert sums(account) == (0, 0, 70)
    account.reverse_payment(name, DAY, "x")
    assert (last(account).penalty_restored, last(account).advance_taken) == (30, 70)
    assert sums(account) == (0, 30, 0)


def test_the_same_item_paid_twice_in_advance_is_reopened_part_by_part() -> None:
    account = an_account()
    name = pay(account, 50)
    bill(account, heating=30)
    adjust(account, heating=15)
    account.reverse_payment(name, DAY, "x")
    assert last(account).reopened == (
        Settled(OCTOBER, "heating", 15),
        Settled(OCTOBER, "heating", 30),
    )
    assert sums(account) == (45, 0, 0)


# Payments.


def test_one_sum_for_all_pays_the_penalty_after_principal() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(20, DAY, "rule-1")
    name = pay(account, 115, None)
    assert sums(account) == (0, 5, 0)
    event = last(account)
    assert (event.amount, event.penalty, event.penalty_named) == (115, 0, False)
    pay(account, 10, None)
    assert sums(account) == (0, 0, 5)
    account.reverse_payment(name, DAY, "x")
    assert sums(account) == (100, 15, 5)


def test_a_penalty_that_the_payer_named_as_nothing_waits() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(20, DAY, "rule-1")
    pay(account, 115, 0)
    assert sums(account) == (0, 20, 15)


def test_a_payment_of_nothing_is_refused() -> None:
    account = an_account()
    for penalty in (0, None):
        with pytest.raises(ValidationFailed) as refused:
            pay(account, 0, penalty)
        assert refused.value.code == "nothing_to_pay"
    for amount, penalty in ((0, -1), (1, MAX_AMOUNT + 1), (-1, None)):
        with pytest.raises(ValidationFailed) as refused:
            pay(account, amount, penalty)
        assert refused.value.code == "invalid_amount"


def test_an_account_that_is_not_open_takes_no_correction() -> None:
    account = Account(account_id(NUMBER))
    attempts: list[Any] = [
        lambda: adjust(account, heating=1),
        lambda: account.accrue_penalty(1, DAY, "rule-1"),
        lambda: correct(account, 1),
        lambda: account.write_off_penalty(1, DAY, "x"),
        lambda: account.reverse_payment(uuid4(), DAY, "x"),
    ]
    for attempt in attempts:
        with pytest.raises(ServiceError) as refused:
            attempt()
        assert refused.value.code == "account_not_found"


def test_an_account_knows_nothing_of_other_events() -> None:
    with pytest.raises(TypeError, match="knows no str"):
        an_account().apply("an event")
