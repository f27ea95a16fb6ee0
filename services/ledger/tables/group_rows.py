"""The rows that the payments of a group commit change, as arms of its statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain.events import PaymentPosted
from services.ledger.tables.columns import BALANCES, POSTINGS, posting_row, upsert_arm
from shared.eventstore import Aggregate
from shared.eventstore.group_append import Arm
from shared.eventstore.session import PendingEvent

_BALANCES = upsert_arm(BALANCES)
_POSTINGS = upsert_arm(POSTINGS, after_tail="position")


def group_rows(
    pending: Sequence[PendingEvent], aggregates: Mapping[UUID, Aggregate]
) -> tuple[Arm, Arm]:
    """Return the arms of ``balances`` and ``payment_postings`` for new payments, in order.

    Raises TypeError for another event: what it changes is not written here.
    """
    postings = []
    for place, (_, _, event) in enumerate(pending, start=1):
        if not isinstance(event, PaymentPosted):
            raise TypeError(f"not decided in a group: {type(event).__name__}")
        postings.append(posting_row(event.account, place, event))
    touched: list[Any] = [aggregates[id_] for id_ in {one.id: None for one, _, _ in pending}]
    balances = [{"account_id": one.id, **one.snapshot()} for one in touched]
    return (
        Arm("balances_written", _BALANCES, (_json(balances),)),
        Arm("postings_written", _POSTINGS, (_json(postings),)),
    )


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
