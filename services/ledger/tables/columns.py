"""The rows of the read model: what the state of an account, a proposal, a payment is kept as.

:mod:`services.ledger.readmodel` writes them with the events; audit and rebuild make them anew from
the log and compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from services.ledger.domain.events import PaymentPosted

BALANCES, PROPOSALS, POSTINGS = "balances", "proposals", "payment_postings"

KEYS: Mapping[str, tuple[str, ...]] = {
    BALANCES: ("account_id",),
    PROPOSALS: ("proposal_id",),
    POSTINGS: ("payment_id", "account"),
}
"""Table -> the columns of its primary key."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    BALANCES: (
        "number",
        "payer_kind",
        "version",
        "last_bill",
        "principal",
        "penalty",
        "advance",
        "open_items",
        "due_dates",
        "charged_periods",
    ),
    PROPOSALS: (
        "version",
        "state",
        "correction",
        "accounts",
        "amount",
        "reason",
        "proposed_by",
        "decided_by",
    ),
    POSTINGS: ("position", "amount", "penalty", "allocation"),
}
"""Table -> its other columns; those of an aggregate are the names of its snapshot."""

_JSON = frozenset({"open_items", "due_dates", "correction", "allocation"})


def posting_row(account: str, position: int, event: PaymentPosted) -> dict[str, Any]:
    """Return the row that says where a payment stands in the log."""
    return {
        "payment_id": event.payment_id,
        "account": account,
        "position": position,
        "amount": event.amount,
        "penalty": event.penalty,
        "allocation": msgspec.to_builtins(list(event.settled)),
    }


def written(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row in the form in which the database takes it."""
    return {name: Jsonb(value) if name in _JSON else value for name, value in row.items()}
