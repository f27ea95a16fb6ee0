"""The order of allocation is data: each option of a policy."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from services.ledger.domain import OPENING_PERIOD, Account, account_id
from services.ledger.domain.allocation import (
    DEFAULT_POLICY,
    POLICIES,
    AllocatedPart,
    Policy,
    allocate,
)
from services.ledger.domain.events import ChargeLine, ServiceAmount

OWED = {
    "2026-02": {"heating": 300, "water": 100},
    "2026-01": {"heating": 200},
    OPENING_PERIOD: {"heating": 50},
}
NEWEST = Policy(name="newest", periods="newest_first")
RANKED = Policy(name="ranked", services="ranked", ranking=("water", "lift"))
DAY, LATER, LATEST = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)


def parts(amount: int, **how: Any) -> list[tuple[str, str, int]]:
    allocation, _ = allocate(OWED, amount, **how)
    return [(part.period, part.service, part.amount) for part in allocation]


def test_the_default_is_oldest_first_and_pro_rata() -> None:
    assert (
        Policy(name="oldest-pro-rata.1", periods="oldest_first", services="pro_rata", ranking=())
        == DEFAULT_POLICY
    )
    assert POLICIES == {"oldest-pro-rata.1": DEFAULT_POLICY}
    assert parts(350) == [
        (OPENING_PERIOD, "heating", 50),
        ("2026-01", "heating", 200),
        ("2026-02", "heating", 75),
        ("2026-02", "water", 25),
    ]


def test_the_newest_month_may_come_first() -> None:
    assert parts(450, policy=NEWEST) == [
        ("2026-02", "heating", 300),
        ("2026-02", "water", 100),
        ("2026-01", "heating", 50),
    ]


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, NEWEST])
def test_the_month_that_the_payer_names_comes_before_all(policy: Policy) -> None:
    assert parts(200, first="2026-01", policy=policy) == [("2026-01", "heating", 200)]
    assert parts(201, first="2026-01", policy=policy)[0] == ("2026-01", "heating", 200)


def test_a_named_month_that_owes_nothing_changes_nothing() -> None:
    assert parts(350, first="2025-12") == parts(350)


def test_services_may_have_a_rank_and_the_others_come_after_by_their_code() -> None:
    owed = {"2026-01": {"waste": 10, "lift": 10, "heating": 10, "water": 10}}
    order = [part.service for part in allocate(owed, 40, policy=RANKED)[0]]
    assert order == ["water", "lift", "heating", "waste"]
    assert allocate(owed, 13, policy=RANKED) == (
        (AllocatedPart("2026-01", "water", 10), AllocatedPart("2026-01", "lift", 3)),
        0,
    )


def test_nothing_pays_nothing() -> None:
    assert allocate(OWED, 0) == ((), 0)
    assert allocate({"2026-01": {}}, 5) == ((), 5)
    assert allocate({"2026-01": {"heating": 1}}, 1) == (
        (AllocatedPart("2026-01", "heating", 1),),
        0,
    )


def test_only_what_is_owed_is_paid() -> None:
    assert allocate({"2026-01": {"heating": 0, "water": 5}}, 9) == (
        (AllocatedPart("2026-01", "water", 5),),
        4,
    )


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, NEWEST, RANKED])
def test_by_every_policy_one_sum_pays_principal_then_the_penalty(policy: Policy) -> None:
    account = Account(account_id("1"))
    account.open("1", "household", DAY, [ServiceAmount("heating", 100)])
    account.accrue_penalty(20, DAY, "rule-1")
    account.post_payment(uuid4(), DAY, 110, None, policy=policy)
    assert (account.principal, account.penalty, account.advance) == (0, 10, 0)
    account.post_payment(uuid4(), LATER, 15, None, policy=policy)
    assert (account.principal, account.penalty, account.advance) == (0, 0, 5)


def test_a_payment_records_its_policy_and_named_month() -> None:
    account = Account(account_id("1"))
    account.open("1", "household", DAY, [ServiceAmount("heating", 100)])
    account.post_payment(uuid4(), DAY, 10, 0, first="2026-01", policy=RANKED)
    event: Any = account.pending[-1]
    assert (event.policy, event.named_period, event.penalty_named) == ("ranked", "2026-01", True)


def test_a_payment_pays_the_month_that_the_payer_named_first() -> None:
    account = Account(account_id("1"))
    account.open("1", "household", DAY, [ServiceAmount("heating", 100)])
    account.post_charges("2026-01", DAY, DAY, _bill(heating=40))
    account.post_charges("2026-02", DAY, DAY, _bill(heating=40))
    account.post_payment(uuid4(), DAY, 60, 0, first="2026-02")
    event: Any = account.pending[-1]
    assert event.allocation == (
        AllocatedPart("2026-02", "heating", 40),
        AllocatedPart(OPENING_PERIOD, "heating", 20),
    )


def test_an_advance_is_divided_by_the_policy_in_force_not_by_that_of_its_payment() -> None:
    account = Account(account_id("1"))
    account.open("1", "household", DAY, [])
    account.post_payment(uuid4(), DAY, 30, 0, policy=RANKED)
    account.post_charges("2026-03", LATER, LATER, _bill(heating=20, water=20))
    event: Any = account.pending[-1]
    assert [(p.service, p.amount) for p in event.allocation] == [("heating", 15), ("water", 15)]
    account.post_payment(uuid4(), LATER, 18, 0, policy=RANKED)  # 8 of it are left
    items = [ServiceAmount("lift", 3), ServiceAmount("waste", 9)]
    account.adjust_charges(uuid4(), "2026-03", LATEST, items, "x")
    event = account.pending[-1]
    assert [(p.service, p.amount) for p in event.allocation] == [("lift", 2), ("waste", 6)]


def _bill(**sums: int) -> list[ChargeLine]:
    return [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
