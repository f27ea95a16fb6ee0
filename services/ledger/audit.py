"""The audit: three witnesses of every balance must agree.

The domain replay in Python, the aggregation in SQL, and the read model that everybody reads. It
also checks that positions and versions have no gaps and that no payment is posted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from services.ledger.aggregation import aggregate
from services.ledger.domain import Account
from services.ledger.replay import replay_all
from shared.eventstore.postgres import PostgresSession, PostgresStore

_SUMS = ("version", "principal", "penalty", "advance")
_GAPS = (
    "SELECT count(*) AS events, coalesce(max(notification_id), 0) AS last FROM events",
    (
        "SELECT originator_id, count(*) AS events, max(originator_version) AS last FROM events "
        "GROUP BY originator_id HAVING count(*) <> max(originator_version)"
    ),
)


class Difference(msgspec.Struct, frozen=True):
    """One thing that does not agree: which account, what, and what each witness says."""

    account: str
    what: str
    replayed: str
    found: str


class Report(msgspec.Struct, frozen=True):
    """What an audit has looked at, and what it found."""

    accounts: int
    events: int
    differences: list[Difference]


def audit(store: PostgresStore, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Compare the three witnesses account by account."""

    def look(session: PostgresSession) -> Report:
        # One snapshot for all three: payments posted meanwhile belong to the next audit.
        replayed = replay_all(session.cursor, store.events, progress)
        summed = aggregate(session.cursor)
        rows = {row["account_id"]: row for row in session.read.all_balances()}
        differences = [*_gaps(session.cursor)]
        for id_ in replayed.keys() | summed.keys() | rows.keys():
            differences += _compare(replayed.get(id_), summed.get(id_), rows.get(id_))
        return Report(len(replayed), sum(a.version for a in replayed.values()), differences)

    return store.query(look)


def _gaps(cursor: Any) -> Iterator[Difference]:
    log = cursor.execute(_GAPS[0]).fetchone()
    if log["events"] != log["last"]:
        yield Difference("", "positions of the log", str(log["last"]), str(log["events"]))
    for row in cursor.execute(_GAPS[1]).fetchall():
        yield Difference(
            str(row["originator_id"]), "versions of a stream", str(row["last"]), str(row["events"])
        )


def _compare(
    account: Account | None, summed: dict[str, Any] | None, row: dict[str, Any] | None
) -> Iterator[Difference]:
    if account is None:
        number = row["number"] if row else "?"
        yield Difference(number, "read model", "no events", "a row")
        return
    state = account.snapshot()
    for name in _SUMS:
        for witness, values in (("SQL", summed), ("read model", row)):
            found = values[name] if values else None
            if found != state[name]:
                yield Difference(
                    account.number, f"{name} ({witness})", str(state[name]), str(found)
                )
    if row is not None and row["open_items"] != state["open_items"]:
        yield Difference(
            account.number, "open items", str(state["open_items"]), str(row["open_items"])
        )
