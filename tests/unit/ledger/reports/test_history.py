"""The statement by days and the event history of an account."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.reports.history import event_history, statement_by_days
from shared.clock import FixedClock
from shared.eventstore import MemoryStore, Session

NUMBER = "0100000001"


class Nobody:
    """A read model that nobody reads."""

    def project(self, *_: Any) -> None:
        """Keep nothing."""


def test_a_statement_begins_with_a_late_opening() -> None:
    clock = FixedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))
    store = MemoryStore(EVENTS, Nobody(), clock)

    def live(session: Session, _: None) -> None:
        account = session.load(Account, account_id(NUMBER))
        account.open(NUMBER, "household", date(2026, 3, 1))
        line = ChargeLine("heating", "Отопление", payable=1_000, charged=1_000)
        account.post_charges("2026-10", date(2026, 10, 31), date(2026, 11, 15), [line])
        account.post_payment(UUID(int=1), date(2026, 9, 5), 700, 0)
        account.post_opening(date(2026, 4, 1), [ServiceAmount("heating", 400)])

    store.transact(live, None)
    found = store.query(lambda session: statement_by_days(session, NUMBER, date(2026, 9, 1)))
    assert (found["opening"], found["closing"]) == (400, 700)
    steps = [(step["kind"], step["balance"]) for step in found["movements"]]
    assert steps == [("payment", -300), ("charges", 700)]
    assert (
        found["closing"]
        == store.query(lambda session: event_history(session, NUMBER))[-1]["balance"]
    )
