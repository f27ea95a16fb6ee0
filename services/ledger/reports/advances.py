"""Accounts with an advance: how much, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.ledger.domain import Account, account_id
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.penalties.law import law_in_force
from shared.eventstore import Recorded, Session


def advances(session: Session, after: str, limit: int) -> dict[str, Any]:
    """Return up to ``limit`` accounts with an advance, by number, after a number.

    ``since`` is the day from which on the account has had an advance without a break, by the days
    of effect. ``next`` is the number to go on after, None at the end.
    """
    rows = session.read.advances(after, limit + 1)
    page = rows[:limit]
    histories = session.histories([account_id(row["number"]) for row in page])
    return {
        "accounts": [
            {**row, "since": _since(histories[account_id(row["number"])]).isoformat()}
            for row in page
        ],
        "next": page[-1]["number"] if len(rows) > limit else None,
    }


def advances_in_all(session: Session) -> dict[str, int]:
    """Return how many accounts have an advance (``count``), and what these come to."""
    found: dict[str, int] = session.read.advances_in_all()
    return found


def _since(history: Sequence[Recorded]) -> date:
    events: list[Any] = [recorded.event for recorded in history]
    account, since = Account(history[0].originator_id), date.min
    for event in in_effective_order(account.id, events, law_in_force()):
        had = account.advance > 0
        account.replay(event)
        if account.advance > 0 and not had:
            since = event.effective_on
    return since
