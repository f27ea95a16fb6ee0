"""An account with a long history does not hold the other greenlets of its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import eventlet
import pytest

from services.ledger.corrections import Correct, correct, preview
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.domain.proposal import AdjustCharges
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.law import law_in_force
from services.ledger.reports import balances, bills, history, statements
from shared import context, cooperation
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.staff_terminal import grant

pytestmark = pytest.mark.nodes

NUMBER = "0100000001"
FIRST_DAY = date(2024, 1, 1)
PAYMENTS = 300
EVENTS = PAYMENTS + 2
DAYS = FIRST_DAY, FIRST_DAY + timedelta(days=900)
ADJUSTMENT = AdjustCharges(
    account=NUMBER, period="2024-01", lines=(ServiceAmount("heating", 1_00),), effective_on=None
)

READS: dict[str, Callable[[Session], object]] = {
    "statement": lambda s: statements.statement(s, NUMBER, None, EVENTS),
    "statement by days": lambda s: history.statement_by_days(s, NUMBER, *DAYS),
    "statement between days": lambda s: history.statement_between(s, NUMBER, *DAYS, 0, 10),
    "statements between days": lambda s: history.statements_between(s, [NUMBER], *DAYS, 0, 10),
    "event history": lambda s: history.event_history(s, NUMBER),
    "months": lambda s: statements.charges(s, NUMBER, None, 12),
    "bill": lambda s: bills.bill(s, NUMBER, "2024-01"),
    "balance as of a day": lambda s: balances.balance(s, NUMBER, str(DAYS[1])),
    "balance as of an instant": lambda s: balances.balance(s, NUMBER, "2099-01-01T00:00:00+00:00"),
    "penalty": lambda s: penalty(s, NUMBER, DAYS[1], law_in_force()),
    "penalty that is due": lambda s: balances.balances(s, [NUMBER]),
    "preview of a correction": lambda s: preview(s, correction()),
}


def correction() -> Correct:
    return Correct(correction_id=uuid4(), correction=ADJUSTMENT, reason="act 7")


@pytest.fixture(scope="module")
def store(module_database: Database) -> PostgresStore:
    """A store with one account, whose bill many payments have paid in part."""
    made = module_database.store("ledger")

    def live(session: Session, _: None) -> None:
        account = session.load(Account, account_id(NUMBER))
        account.open(NUMBER, "household", FIRST_DAY)
        line = ChargeLine("heating", "Отопление", payable=9_000_00, charged=9_000_00)
        account.post_charges("2024-01", FIRST_DAY, FIRST_DAY + timedelta(days=14), [line])
        for day in range(PAYMENTS):
            account.post_payment(uuid4(), FIRST_DAY + timedelta(days=day), 1_00, 0)

    with context.bind(actor="service:test"):
        made.transact(live, None)
    grant(module_database.settings, "ledger", "ivanova", "adjust", None)
    return made


class Ticks:
    """How often another greenlet has run."""

    def __init__(self) -> None:
        self.count = 0
        self._ticking = eventlet.spawn(self._tick)

    def _tick(self) -> None:
        while True:
            self.count += 1
            eventlet.sleep()

    def stop(self) -> None:
        self._ticking.kill()


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticks]:
    """Make this a process of two greenlets, where a loop yields after each item.

    Its sockets are not patched: nobody else runs while it waits for the database.
    """
    monkeypatch.setattr(cooperation, "SLICE_SECONDS", 0)
    cooperation.set_switch(eventlet.sleep)
    ticking = Ticks()
    yield ticking
    ticking.stop()
    cooperation.set_switch(None)


@pytest.mark.parametrize("what", READS)
def test_others_run_while_a_long_history_is_read(
    store: PostgresStore, ticks: Ticks, what: str
) -> None:
    with context.bind(actor="staff:ivanova"):
        store.query(READS[what])
    # Once while the events are decoded, and once while they are gone through.
    assert ticks.count >= 2 * EVENTS


def test_others_run_while_a_correction_is_made(store: PostgresStore, ticks: Ticks) -> None:
    with context.bind(actor="staff:ivanova", command_id=uuid4()):
        done = store.execute(correct, correction())
    assert done["state"] == "done"
    assert ticks.count >= 2 * EVENTS


def test_a_page_of_a_statement_is_not_more_than_was_asked(store: PostgresStore) -> None:
    def page(after: int | None, limit: int) -> dict[str, Any]:
        return store.query(lambda session: statements.statement(session, NUMBER, after, limit))

    whole = page(None, 500)
    assert whole["next"] is None
    first = page(None, 200)
    second = page(first["next"], len(whole["movements"]) - 200)
    assert [*first["movements"], *second["movements"]] == whole["movements"]
    assert (len(first["movements"]), second["next"]) == (200, None)
