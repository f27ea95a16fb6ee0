"""Recalculations, balances taken over, payments: what is allowed, and what follows."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from ledger_steps import (
    DAY,
    EARLIER,
    HEATING_FIRST,
    LATER,
    NOVEMBER,
    NUMBER,
    OCTOBER,
    adjust,
    an_account,
    bill,
    correct,
    last,
    pay,
    sums,
)

from services.ledger.domain import OPENING_PERIOD, Account, account_id
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    ChargesAdjusted,
    ServiceAmount,
)
from shared.errors import Conflict, NotFound, ServiceError, ValidationFailed
from shared.money import MAX_AMOUNT


def test_an_addition_is_owed_in_its_month() -> None:
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
        moved=(),
    )


def test_a_deduction_lowers_the_open_debt_and_the_rest_is_money_back() -> None:
    account = an_account()
    bill(account, heating=100, water=50)
    pay(account, 60, policy=HEATING_FIRST)
    adjust(account, on=LATER, heating=-70)
    assert last(account).released == (AllocatedPart(OCTOBER, "heating", 40),)
    assert last(account).advance == 30
    # The money back pays what else is open of the bill: 30 of the 50 for water.
    assert last(account).allocation == (AllocatedPart(OCTOBER, "water", 30),)
    assert account.open_items == {OCTOBER: {"water": 20}}
    assert account.advance == 0


def test_money_back_pays_the_open_debt_of_other_months() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 100)
    bill(account, NOVEMBER, LATER, heating=100)
    adjust(account, on=LATER, heating=-40)
    assert last(account).advance == 40
    assert last(account).allocation == (AllocatedPart(NOVEMBER, "heating", 40),)
    assert sums(account) == (60, 0, 0)
    adjust(account, on=LATER, heating=-60)
    assert sums(account) == (0, 0, 0)


def test_money_back_beyond_all_debts_is_an_advance() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 100)
    bill(account, NOVEMBER, LATER, heating=30)
    adjust(account, on=LATER, heating=-40)
    assert sums(account) == (0, 0, 10)


def test_a_deduction_of_the_day_of_a_payment_comes_before_it() -> None:
    account = an_account()
    bill(account, heating=100, water=50)
    pay(account, 60, policy=HEATING_FIRST)
    adjust(account, heating=-70)
    # Of the bill, 30 for heating and 50 for water are left for the payment.
    assert last(account).released == (AllocatedPart(OCTOBER, "heating", 70),)
    assert last(account).advance == 0
    assert last(account).moved == (
        AllocatedPart(OCTOBER, "heating", -30),
        AllocatedPart(OCTOBER, "water", 30),
    )
    assert account.open_items == {OCTOBER: {"water": 20}}


def test_an_addition_is_paid_by_the_advance_and_by_the_deduction() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 110)
    adjust(account, on=LATER, heating=-30, water=50)
    assert last(account).allocation == (AllocatedPart(OCTOBER, "water", 40),)
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
    assert last(account).allocation == (AllocatedPart(OCTOBER, "heating", 100),)
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
    # The advance of 5 pays what is owed again; the 5 of penalty stay paid.
    assert sums(account) == (95, 15, 0)


def test_money_left_after_principal_pays_the_penalty_though_the_payer_named_none() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(20, DAY, "rule-1")
    pay(account, 115, 0)
    assert (last(account).penalty_named, last(account).penalty_allocated) == (True, 15)
    assert sums(account) == (0, 5, 0)


def test_a_named_penalty_beyond_what_is_owed_pays_principal() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(20, DAY, "rule-1")
    pay(account, 10, 50)
    assert last(account).allocation == (AllocatedPart(OPENING_PERIOD, "heating", 40),)
    assert last(account).penalty_allocated == 20
    assert sums(account) == (60, 0, 0)


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
        lambda: account.write_off_penalty(1, DAY, "x"),
        lambda: account.reverse_payment(uuid4(), DAY, "x"),
    ]
    for attempt in attempts:
        with pytest.raises(ServiceError) as refused:
            attempt()
        assert refused.value.code == "account_not_found"


def test_an_account_knows_nothing_of_other_events() -> None:
    with pytest.raises(TypeError, match="not an event of an account: str"):
        an_account().apply("an event")
