"""An opening balance that is known only after the account was opened."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest
from trial_balance import trial_balance

from services.ledger.domain import EVENTS, OPENING_PERIOD, Account, account_id
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import ServiceAmount
from services.ledger.reports.totals import TurnoverReport
from services.ledger.reports.turnover import Turnover
from shared.errors import Conflict, NotFound, ValidationFailed
from tests.unit.ledger.settled_debts import debts

TAKEN_OVER = date(2026, 1, 1)
OPENING = (ServiceAmount("heating", 100_000), ServiceAmount("water", -5_000))


def opened(*opening: ServiceAmount) -> Account:
    account = Account(account_id("01"))
    account.open("01", "household", TAKEN_OVER, opening)
    return account


def test_a_later_opening_balance_counts_as_one_at_the_opening() -> None:
    later, at_once = opened(), opened(*OPENING)
    later.post_opening(TAKEN_OVER, OPENING)
    later_row, at_once_row = later.snapshot(), at_once.snapshot()
    assert (later_row.pop("version"), at_once_row.pop("version")) == (2, 1)
    assert later_row == at_once_row
    later_sums, at_once_sums = trial_balance(later.pending), trial_balance(at_once.pending)
    assert {name: amount for name, amount in later_sums.items() if amount} == {
        name: amount for name, amount in at_once_sums.items() if amount
    }
    assert debts(later.pending) == debts(at_once.pending)


def test_a_later_opening_balance_is_posted_once() -> None:
    account = opened()
    account.post_opening(TAKEN_OVER, OPENING)
    for one in (account, opened(*OPENING)):
        with pytest.raises(Conflict, match="posted already"):
            one.post_opening(TAKEN_OVER, OPENING)


@pytest.mark.parametrize(
    "wrong",
    [(), (ServiceAmount("lift", 0),), (OPENING[0], OPENING[0]), (ServiceAmount("advance", 1),)],
)
def test_an_invalid_opening_balance_is_refused(wrong: tuple[ServiceAmount, ...]) -> None:
    with pytest.raises(ValidationFailed):
        opened().post_opening(TAKEN_OVER, wrong)


def test_an_account_must_be_open() -> None:
    with pytest.raises(NotFound):
        Account(account_id("01")).post_opening(TAKEN_OVER, OPENING)


def test_an_earlier_advance_pays_the_opening_balance() -> None:
    account = opened()
    account.post_payment(uuid4(), date(2026, 1, 10), 30_000, 0)
    account.post_opening(TAKEN_OVER, OPENING)
    # What was taken over for water pays the first 5 000.
    assert account.open_items == {OPENING_PERIOD: {"heating": 65_000}}
    assert account.advance == 0
    assert sum(trial_balance(account.pending).values()) == 0
    replayed = Account(account.id)
    for event in in_effective_order(account.id, account.pending):
        replayed.replay(event)
    assert (replayed.open_items, replayed.advance) == (account.open_items, account.advance)
    decoded = [EVENTS.decode(event.topic, EVENTS.encode(event)) for event in account.pending]
    assert decoded == account.pending


def test_a_later_opening_balance_is_in_the_opening_column_of_the_turnover() -> None:
    account = opened()
    account.post_opening(date(2026, 2, 5), OPENING)
    turnover = Turnover(date(2026, 2, 1), date(2026, 2, 28))
    turnover.add(in_effective_order(account.id, account.pending))
    assert (turnover.rows["heating"].opening, turnover.rows["advance"].opening) == (95_000, 0)
    total = TurnoverReport(dict(turnover.rows), {}).total
    assert (total.charged, total.closing) == (0, 95_000)
