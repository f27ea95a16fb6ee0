"""Accrual of the penalties of the accounts that owe, committed in chunks.

Which these are, their rows say: something is overdue, or was paid late since the last accrual, or
a penalty is owed. So a run costs what it has to look at, however long the log is. Parallel workers
read their streams and calculate; they write nothing. The parent appends their encoded events, a
chunk in each transaction, so that a payment never waits long for the append lock.

A run needs no journal to be resumed: an account whose penalty is accrued through the day gets no
event, so a run that was killed is started again. An account with new events since it was read is
done again, alone. An account that the rules do not cover (a debt older than the first rule) is left
unchanged and reported; the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from services.ledger.domain import EVENTS, Account
from services.ledger.domain.book import ACCRUALS, AccrualFinished
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import PenaltyRules
from services.ledger.replay.parallel import (
    BY_BLOCKS,
    Progress,
    Range,
    conninfo_of,
    over_ranges,
    quiet,
    stream_ranges,
)
from services.ledger.replay.streams import streams_of
from services.ledger.tables.bulk_copy import balance_row, write_rows
from services.ledger.tables.closed_periods import check_open, closed_through
from services.ledger.tables.columns import UNKNOWN
from services.ledger.tables.newest_event import newest_event
from shared.database import JOB_HOLDS_LOG
from shared.errors import Conflict, ServiceError
from shared.eventstore.append_lock import hold_log_for
from shared.eventstore.pacing import Pacing
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks

CHUNK = 2_000
AT_ONCE = 200
"""The number of accounts whose streams are read by one query."""
ACCOUNTS_IN_A_RANGE = 5_000
SMALLEST_RANGES = 4
EVENTS_OF_AN_ACCOUNT = 50
"""A guess: whether a run is worth starting processes for."""
NAMED = 20
"""The number of refused accounts that are named; all are counted."""
WAIT_FOR_THE_LOG = "10min"
"""How long a chunk waits for the append lock, which an import holds until it ends."""

# A scan: an index on what is owed would have to be written by each payment too.
_OWING = f"""
    principal > 0
    AND EXISTS (SELECT FROM json_each_text(due_dates) AS due WHERE due.value::date < %(on)s)
    OR late_days > (%(spared)s::jsonb ->> payer_kind)::int
    OR penalty <> 0
    OR advance > 0 AND principal > 0
    OR last_fact = '{UNKNOWN}'
    OR %(all)s
"""


class Summary(msgspec.Struct):
    """The result of a run: accounts covered and changed, and sums in kopecks.

    ``refused`` counts the accounts whose penalty could not be calculated; ``refusals`` has the
    reasons for the first of them, by number.
    """

    accounts: int = 0
    changed: int = 0
    added: Kopecks = 0
    taken_back: Kopecks = 0
    refused: int = 0
    refusals: dict[str, str] = {}

    def refuse(self, number: str, reason: str) -> None:
        """Count an account that is left unchanged."""
        self.refused += 1
        if len(self.refusals) < NAMED:
            self.refusals[number] = reason

    def add(self, other: Summary) -> None:
        """Add the result for another range."""
        self.accounts += other.accounts
        self.changed += other.changed
        self.added += other.added
        self.taken_back += other.taken_back
        self.refused += other.refused
        named = {**self.refusals, **other.refusals}
        self.refusals = dict(sorted(named.items())[:NAMED])


class Accrued(msgspec.Struct, frozen=True):
    """An account with its new events, encoded as in the log, and its new row.

    ``version`` is the account's before them; ``states`` are (topic, state).
    """

    id: UUID
    version: int
    states: list[tuple[str, bytes]]
    row: bytes


def count_owing(store: PostgresStore, on: date, rules: PenaltyRules) -> int:
    """Return how many accounts a run through a day goes over."""
    return _count(store, _parameters(store, on, rules))


def _count(store: PostgresStore, parameters: dict[str, Any]) -> int:
    row = store.query(
        lambda session: session.cursor.execute(
            f"SELECT count(*) AS count FROM balances WHERE {_OWING}",
            parameters,
        ).fetchone()
    )
    return int(row["count"])


def accrue_all(
    store: PostgresStore,
    on: date,
    rules: PenaltyRules,
    actor: str,
    progress: Progress = quiet,
    *,
    dry_run: bool = False,
    workers: int | None = None,
) -> Summary:
    """Accrue the penalties of all accounts that owe by a day; return the result.

    ``progress`` counts accounts. With ``dry_run`` everything is computed and nothing written.
    Raises Conflict ``period_closed``, also when the month is closed while it runs: the chunks that
    are committed stand.
    """
    check_open(on, store.query(lambda session: closed_through(session.cursor)))
    total, written, law = Summary(), 0, PenaltyLaw(rules)
    parameters = _parameters(store, on, rules)
    owing = _count(store, parameters)
    ranges = stream_ranges(owing // ACCOUNTS_IN_A_RANGE + SMALLEST_RANGES)
    work = partial(accrue_range, on=on, rules=rules, parameters=parameters, keep=not dry_run)
    events, pacing = owing * EVENTS_OF_AN_ACCOUNT, Pacing(store)
    for part in over_ranges(work, conninfo_of(store), ranges, events, progress, workers):
        summary, accrued = part
        total.add(summary)
        for first in range(0, len(accrued), CHUNK):
            chunk = accrued[first : first + CHUNK]
            pacing.wait()
            _write(store, chunk, on, law, actor, written)
            written += len(chunk)
    return total


def accrue_range(
    connection: psycopg.Connection[Any],
    part: Range,
    progress: Progress,
    *,
    on: date,
    rules: PenaltyRules,
    parameters: dict[str, Any],
    keep: bool,
) -> tuple[Summary, list[Accrued]]:
    """Calculate the accounts of a range that owe; with ``keep`` also return what to write."""
    summary, accrued, law = Summary(), list[Accrued](), PenaltyLaw(rules)
    connection.execute(BY_BLOCKS)
    ids = [
        row["account_id"]
        for row in connection.execute(
            f"SELECT account_id FROM balances "
            f"WHERE account_id BETWEEN %(first)s AND %(last)s AND ({_OWING}) ORDER BY account_id",
            {**parameters, "first": part.first, "last": part.last},
        )
    ]
    for first in range(0, len(ids), AT_ONCE):
        chosen = ids[first : first + AT_ONCE]
        for id_, events in streams_of(connection, chosen):
            found = _accrue_one(id_, events, on, law, summary)
            if found is not None and keep:
                accrued.append(found)
        progress(len(chosen))
    return summary, accrued


def _accrue_one(
    id_: UUID, events: Sequence[Any], on: date, law: PenaltyLaw, summary: Summary
) -> Accrued | None:
    """Accrue on one account, and count it; return what is to be written, None for nothing."""
    account = Account(id_)
    for event in events:
        account.replay(event)
    before = account.version
    summary.accounts += 1
    try:
        change = accrue(account, on, law)
    except ServiceError as error:
        summary.refuse(account.number, error.message)
        return None
    summary.added += max(change, 0)
    summary.taken_back += max(-change, 0)
    if account.version == before:
        return None
    summary.changed += 1
    states = [(event.topic, EVENTS.encode(event)) for event in account.take_pending()]
    return Accrued(id_, before, states, balance_row(account))


def _parameters(store: PostgresStore, on: date, rules: PenaltyRules) -> dict[str, Any]:
    return {
        "on": on,
        "spared": Jsonb(rules.spared_days()),
        "all": store.query(lambda session: _are_other_rules(session.cursor, rules)),
    }


def _are_other_rules(cursor: Any, rules: PenaltyRules) -> bool:
    """Return whether the last run went by other rules: then all of the past is looked at again."""
    finished = newest_event(cursor, ACCRUALS, AccrualFinished)
    return finished is not None and finished.rules != rules.version


def _write(
    store: PostgresStore,
    chunk: Sequence[Accrued],
    on: date,
    law: PenaltyLaw,
    actor: str,
    written: int,
) -> None:
    command_id = derived_id(NAMESPACE, "ledger", "accrue", str(on), str(chunk[0].id))
    with store.session(Cause(command_id, actor, f"accrue-{on}")) as session:
        session.cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_THE_LOG}'")
        hold_log_for(session.cursor, JOB_HOLDS_LOG)
        # Held until the commit, so that no month is closed under a chunk; and taken before the lock
        # of the log, as a closing does.
        _check_still_open(on, closed_through(session.cursor), written)
        store.recorder.lock(session.cursor)
        session.cursor.execute(
            "SELECT account_id, version FROM balances WHERE account_id = ANY (%s)",
            ([accrued.id for accrued in chunk],),
        )
        now = {row["account_id"]: row["version"] for row in session.cursor.fetchall()}
        as_read = [accrued for accrued in chunk if now.get(accrued.id) == accrued.version]
        session.copy_states(chain.from_iterable(_log_rows(accrued) for accrued in as_read))
        write_rows(session.cursor, [accrued.row for accrued in as_read])
        for id_ in {accrued.id for accrued in chunk} - {accrued.id for accrued in as_read}:
            # It has new events since it was read; under the lock it can get no more.
            accrue(session.load(Account, id_), on, law)


def _check_still_open(on: date, closed: date | None, written: int) -> None:
    if closed is not None and on <= closed:
        raise Conflict(
            "period_closed",
            f"{closed:%Y-%m} was closed during this run: {written} accounts are accrued through "
            f"{on}, the others are left unchanged. Accrue them with a day after {closed}.",
            closed_through=closed.isoformat(),
            written=written,
        )


def _log_rows(accrued: Accrued) -> list[tuple[UUID, int, str, bytes]]:
    return [
        (accrued.id, version, topic, state)
        for version, (topic, state) in enumerate(accrued.states, start=accrued.version + 1)
    ]
