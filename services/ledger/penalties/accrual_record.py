"""Accrual runs in the log: made on record, listed, and which one is due by the schedule.

The penalties themselves are events of the accounts; a run's own events say that it covered all of
them: who accrued through which day, by which rules, and with what result. One that has begun and
not finished was stopped: it is started again.

A run is due from its day on, until one through its last day or a later one has finished: one that
was missed while nothing worked is made later, one that was killed is made again. No run is due of
days before the ledger's first event, nor one into a month that is closed by now: what it would have
accrued comes with the next one.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain.book import ACCRUALS, AccrualBegun, AccrualFinished, Accruals
from services.ledger.penalties.accrual_run import Summary, accrue_all
from services.ledger.penalties.rules import PenaltyRules
from services.ledger.penalties.schedule import DueRun, Schedule
from services.ledger.replay.parallel import Progress, quiet
from services.ledger.tables.closed_periods import check_open, closed_through
from shared import context
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id

BY_SCHEDULE = "service:ledger"
"""The author of the runs of the schedule."""

_FIRST_EVENT = "SELECT recorded_at FROM events ORDER BY notification_id LIMIT 1"


class Run(msgspec.Struct):
    """A run: through which day, by whom and why; its result once it has finished."""

    run_id: UUID
    through: date
    rules: str
    by: str
    reason: str
    begun_at: datetime
    finished_at: datetime | None = None
    accounts: int | None = None
    changed: int | None = None
    added: int | None = None
    taken_back: int | None = None
    refused: int | None = None


def accrue_on_record(
    store: PostgresStore,
    on: date,
    rules: PenaltyRules,
    actor: str,
    reason: str,
    progress: Progress = quiet,
    *,
    workers: int | None = None,
) -> Summary:
    """Accrue the penalties of all accounts through a day, and record the run in the log.

    Returns and raises as :func:`accrue_all`; a day in a closed month leaves no trace.
    """
    check_open(on, store.query(lambda session: closed_through(session.cursor)))
    begun = AccrualBegun(run_id=new_id(), on=on, rules=rules.version, by=actor, reason=reason)
    with context.bind(actor=actor, command_id=begun.run_id, correlation_id=f"accrue-{on}"):
        store.transact(_begin, begun)
        summary = accrue_all(store, on, rules, actor, progress, workers=workers)
        finished = AccrualFinished(
            run_id=begun.run_id,
            on=on,
            rules=rules.version,
            accounts=summary.accounts,
            changed=summary.changed,
            added=summary.added,
            taken_back=summary.taken_back,
            refused=summary.refused,
        )
        store.transact(_finish, finished)
    return summary


def runs(session: Any) -> list[Run]:
    """Return the accrual runs of the book, oldest first."""
    found: dict[UUID, Run] = {}
    for recorded in session.history(ACCRUALS):
        event = recorded.event
        match event:
            case AccrualBegun():
                found[event.run_id] = Run(
                    run_id=event.run_id,
                    through=event.on,
                    rules=event.rules,
                    by=event.by,
                    reason=event.reason,
                    begun_at=recorded.recorded_at,
                )
            case AccrualFinished():
                run = found[event.run_id]
                run.finished_at = recorded.recorded_at
                for name in ("accounts", "changed", "added", "taken_back", "refused"):
                    setattr(run, name, getattr(event, name))
    return list(found.values())


def due_run(session: Any, schedule: Schedule, made: list[Run]) -> DueRun | None:
    """Return the run of the schedule that is due and not made; None where there is none."""
    due = schedule.last_due(session.today)
    if due is None or any(run.finished_at and run.through >= due.through for run in made):
        return None
    first = session.cursor.execute(_FIRST_EVENT).fetchone()
    if first is None or session.clock.day_of(first["recorded_at"]) >= due.due_on:
        return None
    closed = closed_through(session.cursor)
    return None if closed is not None and due.through <= closed else due


def accruals(session: Any, schedule: Schedule, last: int) -> dict[str, Any]:
    """Return the schedule, the run that is due, the next one, and the last runs, newest first."""
    made = runs(session)
    shown: dict[str, Any] = msgspec.to_builtins(
        {
            "schedule": schedule.name,
            "due": due_run(session, schedule, made),
            "next": schedule.next_due(session.today),
            "runs": made[: -last - 1 : -1],
        }
    )
    return shown


def _begin(session: Session, begun: AccrualBegun) -> None:
    session.load(Accruals, ACCRUALS).begin(begun)


def _finish(session: Session, finished: AccrualFinished) -> None:
    session.load(Accruals, ACCRUALS).finish(finished)
