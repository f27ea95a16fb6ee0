"""Accruing penalties for all accounts: one pass over the log, committed in chunks.

The run needs no journal to be resumed: an account whose penalty stands at the day already gets
no event, so a run that was killed is simply started again. Accounts on which something happened
between the reading and the writing are done again, alone. An account that the rules are silent
about (a debt older than the first of them, say) is left as it is and named: nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.accrual import accrue
from services.ledger.closing import check_open, closed_through
from services.ledger.domain import Account
from services.ledger.penalties.rules import PenaltyRules
from shared.errors import ServiceError
from shared.eventstore import Event
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks

CHUNK = 2_000
NAMED = 20
"""So many accounts that are refused are named; all are counted."""
_COPY = (
    "COPY (SELECT originator_id, topic, state FROM events "
    "ORDER BY originator_id, originator_version) TO STDOUT (FORMAT BINARY)"
)

Progress = Callable[[int], None]


class Summary(msgspec.Struct):
    """What a run has done: accounts looked at and changed, and the sums in kopecks.

    ``refused`` counts the accounts whose penalty could not be calculated; ``refusals`` tells why
    of the first of them, by number.
    """

    accounts: int = 0
    changed: int = 0
    added: Kopecks = 0
    taken_back: Kopecks = 0
    refused: int = 0
    refusals: dict[str, str] = {}

    def refuse(self, number: str, reason: str) -> None:
        """Note an account that is left as it is."""
        self.refused += 1
        if len(self.refusals) < NAMED:
            self.refusals[number] = reason


@dataclass
class _Chunk:
    accounts: list[Account] = field(default_factory=list)
    rows: list[tuple[UUID, int, Event]] = field(default_factory=list)
    before: dict[UUID, int] = field(default_factory=dict)


def accrue_all(
    store: PostgresStore,
    on: date,
    rules: PenaltyRules,
    actor: str,
    progress: Progress = lambda _: None,
    *,
    dry_run: bool = False,
) -> Summary:
    """Accrue the penalties of all accounts by a day; answer what was done.

    With ``dry_run`` everything is computed and nothing written. Raises Conflict ``period_closed``.
    """
    check_open(on, store.query(lambda session: closed_through(session.cursor)))
    summary, chunk = Summary(), _Chunk()
    for id_, events in _streams(store):
        account = Account(id_)
        for event in events:
            account.replay(event)
        if not account.number:
            continue
        summary.accounts += 1
        before = account.version
        progress(len(events))
        try:
            change = accrue(account, events, on, rules)
        except ServiceError as error:
            summary.refuse(account.number, error.message)
            continue
        summary.added += max(change, 0)
        summary.taken_back += max(-change, 0)
        if account.version > before:
            summary.changed += 1
            chunk.accounts.append(account)
            chunk.before[id_] = before
            chunk.rows += [
                (id_, version, event)
                for version, event in enumerate(account.take_pending(), start=before + 1)
            ]
        if len(chunk.accounts) >= CHUNK:
            _write(store, chunk, on, rules, actor, dry_run)
            chunk = _Chunk()
    _write(store, chunk, on, rules, actor, dry_run)
    return summary


def _streams(store: PostgresStore) -> Iterator[tuple[UUID, list[Any]]]:
    """Yield (id, events) of every stream, one stream in memory at a time."""
    decode = store.events.decode
    current: UUID | None = None
    events: list[Any] = []
    with store.transaction() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        with cursor.copy(_COPY) as copy:
            copy.set_types(["uuid", "text", "bytea"])
            for id_, topic, state in copy.rows():
                if id_ != current:
                    if current is not None:
                        yield current, events
                    current, events = id_, []
                events.append(decode(topic, state))
    if current is not None:
        yield current, events


def _write(
    store: PostgresStore, chunk: _Chunk, on: date, rules: PenaltyRules, actor: str, dry_run: bool
) -> None:
    if dry_run or not chunk.accounts:
        return
    command_id = derived_id(NAMESPACE, "ledger", "accrue", str(on), str(chunk.accounts[0].id))
    with store.session(Cause(command_id, actor, f"accrue-{on}")) as session:
        store.recorder.lock(session.cursor)
        session.cursor.execute(
            "SELECT account_id, version FROM balances WHERE account_id = ANY (%s)",
            (list(chunk.before),),
        )
        now = {row["account_id"]: row["version"] for row in session.cursor.fetchall()}
        moved = {id_ for id_, version in chunk.before.items() if now.get(id_) != version}
        session.copy_events(row for row in chunk.rows if row[0] not in moved)
        session.read.write_balances([a for a in chunk.accounts if a.id not in moved])
        for id_ in moved:
            # Something happened to it since it was read: under the lock nothing more can.
            account = session.load(Account, id_)
            accrue(account, [recorded.event for recorded in session.story(id_)], on, rules)
