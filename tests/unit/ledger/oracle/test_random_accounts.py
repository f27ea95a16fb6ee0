"""Random accounts, recorded in random orders, are what the oracle says of their facts.

``SALDO_COMPANIES=5000`` checks more of them, ``SALDO_COMPANIES_FROM`` others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from tests.ledger_oracle.checks import Check
from tests.ledger_oracle.companies import RandomAccount, an_order, shrunk
from tests.ledger_oracle.facts import Fact, by_effect

ACCOUNTS = int(os.environ.get("SALDO_COMPANIES", "150"))
FIRST = int(os.environ.get("SALDO_COMPANIES_FROM", "0"))
ORDERS = 3
AT_ONCE = 10
"""How many accounts make one test."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + ACCOUNTS, AT_ONCE))
def test_accounts_are_what_the_oracle_says_in_any_order(first: int) -> None:
    failed = [
        report
        for seed in range(first, min(first + AT_ONCE, FIRST + ACCOUNTS))
        if (report := _differences(seed))
    ]
    assert not failed, "\n\n".join(failed)


@pytest.mark.parametrize(("seed", "order"), [(21681, 1681), (21832, 1832)])
def test_an_order_that_was_wrong_once(seed: int, order: int) -> None:
    account = RandomAccount(seed)
    entries = an_order(account.entries, random.Random(order))  # noqa: S311 - reproducible
    assert Check(entries, account.last, from_row=seed % 2 == 1).run().differences == []


def test_random_accounts_have_all_that_can_happen() -> None:
    entries = [entry for seed in range(60) for entry in RandomAccount(seed).entries]
    assert {entry.what for entry in entries} == {
        *("open", "kind", "bill", "adjust", "pay", "reverse", "refund", "write_off", "accrue")
    }
    assert any(entry.what == "bill" and min(entry.lines.values()) < 0 for entry in entries)
    assert any(entry.what == "pay" and entry.penalty and not entry.amount for entry in entries)


def _differences(seed: int) -> str:
    """Return a report of the first order in which an account differs; empty if none does."""
    account = RandomAccount(seed)
    chance = random.Random(f"orders {seed}")  # noqa: S311 - reproducible
    end = max(entry.day for entry in account.entries) + timedelta(chance.choice((0, 40, 300)))
    for place in range(ORDERS):
        order, from_row = an_order(account.entries, chance), place % 2 == 1
        check = Check(order, end, from_row=from_row).run()
        if check.differences:
            return _report(seed, order, end, from_row, check.kinds)
    return ""


def _report(seed: int, order: Sequence[Fact], end: date, from_row: bool, kinds: set[str]) -> str:
    """Describe the fewest entries that differ in the same way."""

    def check(entries: Sequence[Fact]) -> Check:
        return Check(entries, end, from_row=from_row).run()

    fewest = shrunk(order, lambda entries: bool(check(entries).kinds & kinds))
    found = check(fewest)
    decided = "from the row" if from_row else "with the history"
    return "\n".join(
        [
            f"account {seed}, through {end}, decided {decided}, recorded in this order:",
            *(f"  {entry}" for entry in fewest),
            "in the order of effect:",
            *(f"  {fact.day} {fact.what} {fact.name}" for fact in by_effect(found.facts)),
            *found.differences,
        ]
    )
