"""The personal account: the sum of its events."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import msgspec
import pytest
from msgspec import structs

from services.ledger.domain import EVENTS, OPENING_PERIOD, Account, account_id
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    AccountOpened,
    ChargeLine,
    ChargesPosted,
    PaymentPosted,
    ServiceAmount,
)
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.money import MAX_AMOUNT

NUMBER = "0100000001"
DAY, LATER = date(2026, 11, 1), date(2026, 11, 2)


def heating(payable: int, service: str = "heating") -> ChargeLine:
    return ChargeLine(service, service.title(), payable, payable)


def an_account(*opening: ServiceAmount) -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", DAY, opening)
    return account


def replayed(account: Account) -> Account:
    """The same account from its events as the log keeps them."""
    again = Account(account.id)
    for event in account.pending:
        again.replay(EVENTS.decode(event.topic, EVENTS.encode(event)))
    return again


def test_a_bill_is_owed_and_a_payment_pays_it() -> None:
    account = an_account()
    account.post_charges("2026-10", DAY, DAY, [heating(300_00), heating(150_00, "water")])
    assert account.principal == 450_00
    account.post_payment(uuid4(), DAY, 450_00, 0)
    assert (account.principal, account.open_items, account.advance) == (0, {}, 0)


def test_principal_and_penalty_are_paid_as_the_payer_named_them() -> None:
    account = an_account(ServiceAmount("heating", 1_000))
    account.accrue_penalty(500, DAY, "test")
    account.post_payment(uuid4(), DAY, 600, 200)
    assert (account.principal, account.penalty, account.advance) == (400, 300, 0)


def test_the_excess_over_either_debt_becomes_an_advance() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(50, DAY, "test")
    account.post_payment(uuid4(), DAY, 130, 70)
    assert (account.principal, account.penalty, account.advance) == (0, 0, 50)
    event = account.pending[-1]
    assert isinstance(event, PaymentPosted)
    allocation = sum(part.amount for part in event.allocation)
    assert allocation + event.penalty_allocated + event.advance == event.amount + event.penalty


def test_an_advance_pays_the_next_bill_and_is_allocated_in_its_event() -> None:
    account = an_account()
    account.post_payment(uuid4(), DAY, 200, 0)
    account.post_charges("2026-10", LATER, LATER, [heating(150), heating(150, "water")])
    event = account.pending[-1]
    assert isinstance(event, ChargesPosted)
    assert event.allocation == (
        AllocatedPart("2026-10", "heating", 100),
        AllocatedPart("2026-10", "water", 100),
    )
    assert (event.moved, event.moved_penalty) == ((), 0)
    assert (account.principal, account.advance) == (100, 0)


def test_a_bill_of_the_same_day_takes_effect_before_the_payment() -> None:
    account = an_account()
    account.post_payment(uuid4(), DAY, 200, 0)
    account.post_charges("2026-10", DAY, DAY, [heating(150), heating(150, "water")])
    event = account.pending[-1]
    assert isinstance(event, ChargesPosted)
    # There was no advance when it took effect; the payment, which came after it, pays it.
    assert event.allocation == ()
    assert event.moved == (
        AllocatedPart("2026-10", "heating", 100),
        AllocatedPart("2026-10", "water", 100),
    )
    assert (account.principal, account.advance) == (100, 0)


def test_an_opening_balance_in_favour_of_the_payer_pays_what_he_owes_before_it_is_an_advance() -> (
    None
):
    account = an_account(ServiceAmount("heating", 300), ServiceAmount("water", -200))
    assert (account.principal, account.advance) == (100, 0)
    assert account.open_items == {OPENING_PERIOD: {"heating": 100}}
    account = an_account(ServiceAmount("heating", 300), ServiceAmount("water", -500))
    assert (account.principal, account.advance) == (0, 200)
    assert account.open_items == {}


def test_a_recalculation_beyond_the_charge_is_money_back() -> None:
    account = an_account()
    line = ChargeLine("heating", "Отопление", payable=-50, charged=100, recalculation=-150)
    account.post_charges("2026-10", DAY, DAY, [line])
    assert (account.principal, account.advance, account.open_items) == (0, 50, {})


def test_a_repeated_payment_is_posted_once() -> None:
    account, payment_id = an_account(ServiceAmount("heating", 100)), uuid4()
    assert account.post_payment(payment_id, DAY, 60, 0) is True
    assert account.post_payment(payment_id, DAY, 60, 0) is False
    assert account.principal == 40


def test_a_month_has_one_bill() -> None:
    account = an_account()
    account.post_charges("2026-10", DAY, DAY, [heating(100)])
    with pytest.raises(Conflict) as refused:
        account.post_charges("2026-10", DAY, DAY, [heating(100)])
    assert refused.value.code == "period_charged"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [heating(100), heating(100)],
        [ChargeLine("heating", "Отопление", payable=99, charged=100)],
        [heating(MAX_AMOUNT + 1)],
    ],
)
def test_a_bill_that_does_not_add_up_is_refused(lines: list[ChargeLine]) -> None:
    account = an_account()
    with pytest.raises(ValidationFailed):
        account.post_charges("2026-10", DAY, DAY, lines)
    assert account.principal == 0


@pytest.mark.parametrize(("amount", "penalty"), [(-1, 0), (0, -1), (0, 0), (MAX_AMOUNT + 1, 0)])
def test_a_payment_that_is_no_sum_is_refused(amount: int, penalty: int) -> None:
    account = an_account()
    with pytest.raises(ValidationFailed):
        account.post_payment(uuid4(), DAY, amount, penalty)


def test_an_account_that_is_not_open_takes_nothing() -> None:
    account = Account(account_id(NUMBER))
    with pytest.raises(NotFound):
        account.post_payment(uuid4(), DAY, 100, 0)
    with pytest.raises(NotFound):
        account.post_charges("2026-10", DAY, DAY, [heating(100)])


def test_an_account_is_opened_once() -> None:
    account = an_account()
    with pytest.raises(Conflict):
        account.open(NUMBER, "household", DAY)


def test_the_log_rebuilds_it_and_a_row_of_the_read_model_too() -> None:
    account = an_account(ServiceAmount("heating", 70))
    account.post_charges("2026-09", DAY, DAY, [heating(100), heating(33, "water")])
    account.accrue_penalty(7, DAY, "test")
    account.post_payment(uuid4(), DAY, 150, 3)
    account.post_charges("2026-10", DAY, DAY, [heating(10)])
    again = replayed(account)
    assert again.snapshot() == account.snapshot()
    row = msgspec.json.decode(msgspec.json.encode(account.snapshot()))
    assert Account.from_row(account.id, row).snapshot() == account.snapshot()


def test_the_same_number_in_another_book_is_another_stream() -> None:
    assert account_id(NUMBER) == account_id(NUMBER, "main")
    assert account_id(NUMBER) != account_id(NUMBER, "east")


def test_events_keep_their_shape() -> None:
    """Events in existing logs must decode for ever: a change of shape needs a new topic."""
    state = (
        b'{"account":"0100000001","payer_kind":"household","effective_on":"2026-11-01",'
        b'"opening":[{"service":"heating","amount":450000}]}'
    )
    event = AccountOpened(
        account=NUMBER,
        payer_kind="household",
        effective_on=DAY,
        opening=(ServiceAmount("heating", 450_000),),
    )
    assert EVENTS.decode("ledger.account_opened.v1", state) == event
    # What was recorded before an event said what else it moves says nothing of it.
    assert (event.moved, event.moved_penalty) == (None, 0)
    moved = structs.replace(event, moved=(AllocatedPart("0001-01", "heating", 200_000),))
    with_moved = (
        state.removesuffix(b"}")
        + b',"due_on":null,"moved":[{"period":"0001-01","service":"heating","amount":200000}],'
        b'"moved_penalty":0}'
    )
    assert EVENTS.encode(moved) == with_moved
    assert EVENTS.decode("ledger.account_opened.v1", with_moved) == moved
