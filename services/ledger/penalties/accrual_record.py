"""Accrual runs in the log: who accrued through which day, by which rules, and with what result.

The penalties themselves are events of the accounts; a run's own events say that it covered all of
them. One that has begun and not finished was stopped: it is started again.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec

from services.ledger.domain.book import ACCRUALS, AccrualFinished, Accruals
from services.ledger.penalties.accrual_run import Summary, accrue_all
from services.ledger.penalties.rules import PenaltyRules
from services.ledger.replay.parallel import Progress, quiet
from services.ledger.tables.closed_periods import check_open, closed_through
from shared import context
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id


class BeginAccrual(msgspec.Struct, frozen=True, kw_only=True):
    """Note that a run begins: through which day, by which version of the rules, who, and why."""

    run_id: UUID
    on: date
    rules: str
    by: str
    reason: str


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
    begin = BeginAccrual(run_id=new_id(), on=on, rules=rules.version, by=actor, reason=reason)
    with context.bind(actor=actor, command_id=begin.run_id, correlation_id=f"accrue-{on}"):
        store.transact(_begin, begin)
        summary = accrue_all(store, on, rules, actor, progress, workers=workers)
        finished = AccrualFinished(
            run_id=begin.run_id,
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


def _begin(session: Session, command: BeginAccrual) -> None:
    session.load(Accruals, ACCRUALS).begin(
        command.run_id, command.on, command.rules, command.by, command.reason
    )


def _finish(session: Session, finished: AccrualFinished) -> None:
    session.load(Accruals, ACCRUALS).finish(finished)
