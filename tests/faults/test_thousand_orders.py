"""A few dozen orders through both banks in any trouble: what `thousand_orders` does for long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.embedded.installation import Installation
from tests.faults.thousand_orders.banks import BankOrder, Money
from tests.faults.thousand_orders.books import Books, Entry, Payment, differences, unresolved
from tests.faults.thousand_orders.honesty import untrue
from tests.faults.thousand_orders.run import run

ORDERS, SEED, SECONDS, PEOPLE = 40, 11, 240.0, 4


def test_every_kopeck_is_posted_or_returned_and_no_payer_is_told_anything_untrue(
    installation: Installation, record_property: Callable[[str, object], None]
) -> None:
    result = run(installation, ORDERS, SEED, SECONDS, PEOPLE, lambda _: None)
    record_property(
        "measured",
        f"{result.payments} payments in trouble: settled in {result.settled_after:.0f} s, looked "
        f"at {result.looks} times",
    )
    assert result.found == []
    assert result.payments >= ORDERS // 2
    assert result.taken


def books(**changes: object) -> Books:
    right: dict[str, object] = {
        "orders": {"n1": BankOrder(Money(100, 0), 0, False)},
        "payments": {"p1": Payment("completed", 100, 0)},
        "payment_of": {"n1": "p1"},
        "entries": [Entry("p1", "01", 100)],
        "receipts": [("p1", "income", "registered", 100)],
    }
    return Books(**(right | changes))  # type: ignore[arg-type]


def test_books_that_agree_have_no_difference() -> None:
    assert (differences(books()), unresolved(books())) == ([], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"entries": []},
        {"entries": [Entry("p1", "01", 100), Entry("p1", "01", 100)]},
        {"entries": [Entry("p1", "01", 99)]},
        {"entries": [Entry("p1", "01", 100), Entry("p1", "01", 100, "r1", False)]},
        {"orders": {"n1": BankOrder(Money(100, 100), 0, False)}},
        {"orders": {"n1": BankOrder(Money(), 0, False)}},
        {"orders": {"n2": BankOrder(Money(100, 0), 0, False)}},
        {"payments": {"p1": Payment("failed", 100, 0)}},
        {"payments": {"p1": Payment("partly_refunded", 100, 1)}},
        {"receipts": []},
        {"receipts": [("p1", "income", "registered", 100)] * 2},
    ],
)
def test_a_kopeck_that_is_not_where_it_belongs_is_found(changes: dict[str, object]) -> None:
    assert differences(books(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"payments": {"p1": Payment("unknown", 100, 0)}},
        {"refunds": [("p1", "requested", 100)]},
        {"orders": {"n1": BankOrder(Money(), 100, True)}},
        {"receipts": [("p1", "income", "requested", 100)]},
    ],
)
def test_what_is_under_way_is_unresolved(changes: dict[str, object]) -> None:
    assert unresolved(books(**changes))


@pytest.mark.parametrize(
    ("shown", "before", "after", "is_untrue"),
    [
        ({"state": "failed"}, Money(100, 0), Money(100, 0), True),
        ({"state": "failed"}, Money(0, 0), Money(100, 0), False),
        ({"state": "failed"}, Money(100, 0), Money(100, 100), False),
        ({"state": "created"}, Money(100, 0), Money(100, 0), True),
        ({"state": "unknown"}, Money(100, 0), Money(100, 0), False),
        ({"state": "completed"}, Money(0, 0), Money(0, 0), True),
        ({"state": "completed"}, Money(0, 0), Money(100, 0), False),
        ({"state": "completed"}, Money(200, 0), Money(200, 0), True),
        ({"state": "refunded", "refunded": 100}, Money(100, 0), Money(100, 100), False),
        ({"state": "refunded", "refunded": 100}, Money(100, 0), Money(100, 0), True),
    ],
)
def test_a_claim_is_untrue_when_neither_reading_of_the_bank_allows_it(
    shown: dict[str, object], before: Money, after: Money, is_untrue: bool
) -> None:
    view = {"total": 100, "refunded": 0, "failure": None} | shown
    assert bool(untrue(view, before, after)) is is_untrue
