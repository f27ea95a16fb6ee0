"""Refusals of the ledger: the code for programs, and the message for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from ledger_steps import (
    DAY,
    NUMBER,
    OCTOBER,
    adjust,
    an_account,
    bill,
    opened_with,
    pay,
)

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from shared.errors import Conflict, NotFound, ServiceError, ValidationFailed
from shared.money import MAX_AMOUNT

TOO_MUCH = MAX_AMOUNT + 1
NO_SUCH_ACCOUNT = NotFound("account_not_found", "There is no such account in the ledger.")
NO_SUCH_CODE = "No service can have the code of penalty or advance."
NOT_A_PAYMENT = ValidationFailed("invalid_amount", "A payment is a positive sum of kopecks.")


def beyond(what: str) -> ServiceError:
    message = f"The {what} is beyond what one posting may be."
    return ValidationFailed("invalid_amount", message)


def not_positive(what: str) -> ServiceError:
    message = f"The {what} must be a positive sum of kopecks."
    return ValidationFailed("invalid_amount", message)


def billed() -> Account:
    account = an_account()
    bill(account, heating=100)
    account.accrue_penalty(100, DAY, "rule-1")
    return account


REFUSALS: list[tuple[Callable[[Account], Any], ServiceError]] = [
    (
        lambda a: a.open(NUMBER, "household", DAY),
        Conflict("account_exists", "This account is open already.", account=NUMBER),
    ),
    (
        lambda a: bill(a, heating=1),
        Conflict(
            "period_charged",
            "The charges of 2026-10 are posted already; post an adjustment instead.",
            period="2026-10",
        ),
    ),
    (
        lambda a: bill(a, "2026-1", heating=1),
        ValidationFailed(
            "invalid_charges", "A bill is of a month, written as 2026-10.", period="2026-1"
        ),
    ),
    (
        lambda a: bill(a, "2026-11"),
        ValidationFailed("invalid_charges", "A bill has at least one line."),
    ),
    (
        lambda a: bill(a, "2026-11", penalty=5),
        ValidationFailed("invalid_charges", NO_SUCH_CODE),
    ),
    (
        lambda a: a.post_charges(
            "2026-11", DAY, DAY, [ChargeLine("heating", "Отопление", payable=99, charged=100)]
        ),
        ValidationFailed(
            "invalid_charges",
            "Line heating: payable must be charged + recalculation - concession.",
        ),
    ),
    (lambda a: bill(a, "2026-11", heating=TOO_MUCH), beyond("line heating")),
    (
        lambda a: adjust(a, "2026-11", heating=1),
        NotFound(
            "period_not_charged",
            "There is no bill of 2026-11 to adjust; one that was missed is imported with --missed.",
            period="2026-11",
        ),
    ),
    (
        lambda a: adjust(a, heating=0),
        ValidationFailed("invalid_adjustment", "An adjustment has sums, none of them 0."),
    ),
    (lambda a: adjust(a, heating=TOO_MUCH), beyond("adjustment")),
    (lambda a: adjust(a, advance=5), ValidationFailed("invalid_adjustment", NO_SUCH_CODE)),
    (lambda a: a.accrue_penalty(0, DAY, "rule-1"), not_positive("penalty")),
    (lambda a: a.write_off_penalty(0, DAY, "x"), not_positive("penalty to write off")),
    (
        lambda a: a.write_off_penalty(101, DAY, "x"),
        Conflict(
            "penalty_not_owed",
            "Only a penalty that is owed can be written off: by 2026-11-10 it is 1,00.",
            penalty=100,
        ),
    ),
    (lambda a: pay(a, -1), NOT_A_PAYMENT),
    (lambda a: pay(a, 1, TOO_MUCH), NOT_A_PAYMENT),
    (
        lambda a: pay(a, 0),
        ValidationFailed("nothing_to_pay", "A payment of nothing cannot be posted."),
    ),
    (
        lambda a: a.reverse_payment(uuid4(), DAY, "x"),
        NotFound("payment_not_posted", "This payment is not posted to the account."),
    ),
    (
        lambda a: a.post_opening(DAY, [ServiceAmount("heating", TOO_MUCH)]),
        beyond("opening balance"),
    ),
    (
        lambda a: a.post_opening(DAY, []),
        ValidationFailed("invalid_opening", "An opening balance has sums, none of them 0."),
    ),
    (
        lambda a: a.post_opening(DAY, [ServiceAmount("penalty", 5)]),
        ValidationFailed("invalid_opening", NO_SUCH_CODE),
    ),
    (
        lambda _: an_account(ServiceAmount("heating", 1)).post_opening(
            DAY, [ServiceAmount("heating", 1)]
        ),
        Conflict("opening_posted", "The opening balance of this account is posted already."),
    ),
    (lambda _: opened_with(heating=TOO_MUCH), beyond("opening balance")),
    (lambda _: opened_with(advance=5), ValidationFailed("invalid_opening", NO_SUCH_CODE)),
    (lambda _: bill(Account(account_id("9")), heating=1), NO_SUCH_ACCOUNT),
    (lambda _: pay(Account(account_id("9")), 1), NO_SUCH_ACCOUNT),
]


@pytest.mark.parametrize(
    ("attempt", "refusal"), REFUSALS, ids=[refusal.code for _, refusal in REFUSALS]
)
def test_a_refusal_names_the_fault_and_changes_nothing(
    attempt: Callable[[Account], Any], refusal: ServiceError
) -> None:
    account = billed()
    with pytest.raises(ServiceError) as refused:
        attempt(account)
    assert type(refused.value) is type(refusal)
    assert refused.value.as_wire() == refusal.as_wire()
    assert account.snapshot() == billed().snapshot()


def test_a_service_that_comes_twice_is_refused_by_its_place() -> None:
    once = "Each service comes once."
    twice = [ServiceAmount("heating", 5), ServiceAmount("heating", 5)]
    line = ChargeLine("heating", "Отопление", 5, 5)
    attempts: dict[str, Callable[[Account], Any]] = {
        "invalid_charges": lambda a: a.post_charges("2026-11", DAY, DAY, [line, line]),
        "invalid_adjustment": lambda a: a.adjust_charges(uuid4(), OCTOBER, DAY, twice, "x"),
        "invalid_opening": lambda a: a.post_opening(DAY, twice),
    }
    for code, attempt in attempts.items():
        with pytest.raises(ValidationFailed) as refused:
            attempt(billed())
        assert (refused.value.code, refused.value.message) == (code, once)


@pytest.mark.parametrize("column", ["charged", "recalculation", "concession"])
@pytest.mark.parametrize("sign", [1, -1])
def test_each_column_of_a_line_has_a_limit(column: str, sign: int) -> None:
    def line(amount: int) -> ChargeLine:
        columns = {"charged": 0, "recalculation": 0, "concession": 0, column: amount}
        payable = columns["charged"] + columns["recalculation"] - columns["concession"]
        return ChargeLine("heating", "Отопление", payable, **columns)

    account = an_account()
    with pytest.raises(ValidationFailed) as refused:
        account.post_charges(OCTOBER, DAY, DAY, [line(sign * TOO_MUCH)])
    assert refused.value.as_wire() == beyond("line heating").as_wire()
    account.post_charges(OCTOBER, DAY, DAY, [line(sign * MAX_AMOUNT)])
    assert account.version == 2
