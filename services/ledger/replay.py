"""Rebuilding every balance from the log alone, in Python.

The log is read in one pass by binary COPY, in its order; only the accounts' present states are
held. :mod:`services.ledger.aggregation` does the same in SQL and shares no code with this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from services.ledger.cores import uncollected
from services.ledger.domain import Account
from shared.eventstore import EventTypes

_COPY = (
    "COPY (SELECT originator_id, topic, state FROM events "
    "WHERE NOT starts_with(topic, 'ledger.proposal_') ORDER BY notification_id) "
    "TO STDOUT (FORMAT BINARY)"
)
REPORT_EVERY = 5_000


def replay_all(
    cursor: Any, events: EventTypes, progress: Callable[[int], None] = lambda _: None
) -> dict[UUID, Account]:
    """Answer every account as its events make it, by the id of its stream.

    The accounts know what is owed, not their past events: nothing can be decided on them.

    ``cursor`` is inside a transaction, whose snapshot is what is replayed.
    """
    accounts: dict[UUID, Account] = {}
    decode, known = events.decode, accounts.get
    # A city's log takes longer than any request may.
    cursor.execute("SET LOCAL statement_timeout = 0")
    count = 0
    with uncollected():
        for originator_id, topic, state in _rows(cursor):
            account = known(originator_id)
            if account is None:
                account = accounts[originator_id] = Account(originator_id)
            account.apply(decode(topic, state))
            account.version += 1
            account.forget_events()
            count += 1
            if count % REPORT_EVERY == 0:
                progress(REPORT_EVERY)
    progress(count % REPORT_EVERY)
    return accounts


def _rows(cursor: Any) -> Iterator[tuple[UUID, str, bytes]]:
    with cursor.copy(_COPY) as copy:
        copy.set_types(["uuid", "text", "bytea"])
        yield from copy.rows()
