"""The accrual of penalties by the operator's schedule: the worker makes the run that is due.

It goes on in this one thread, so that payments beside it have the other cores; a worker that ends
stops it, and the next one makes it again.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from services.ledger.penalties.accrual_record import (
    BY_SCHEDULE,
    Run,
    accrue_on_record,
    due_run,
    runs,
)
from services.ledger.penalties.accrual_run import Summary, count_owing
from services.ledger.penalties.law import law_in_force
from services.ledger.penalties.schedule import DueRun, Schedule, read_schedule
from shared import telemetry
from shared.bus.reader import StoppedError
from shared.config import Settings
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

LOG_EVERY = 30.0
"""Seconds between two entries of the log on the progress of a run."""

_figures: dict[str, tuple[bool, int]] = {}
"""By log: whether a run is due, and how many accounts the last one has refused."""


class Stop(Protocol):
    """Whether the worker is to end."""

    def is_set(self) -> bool:
        """Return whether it is."""
        ...


class Services(Protocol):
    """What the job needs of its worker."""

    settings: Settings
    store: PostgresStore
    stop: Stop


def accrue_when_due(services: Services) -> int:
    """Make the run of the schedule that is due (a job); return 0, so that it waits for the next."""
    schedule = read_schedule(services.settings.ledger_accruals)
    due, last = services.store.query(lambda session: _due(session, schedule))
    _show(services.store, due=due is not None, refused=last.refused or 0 if last else 0)
    if due is not None:
        _make(services, schedule, due)
    return 0


def _show(store: PostgresStore, *, due: bool, refused: int) -> None:
    """Set the figures of this process, which are of all books that it works for."""
    _figures[store.service] = due, refused
    known = list(_figures.values())
    telemetry.ACCRUAL_DUE.set(int(any(one for one, _ in known)))
    telemetry.ACCRUAL_REFUSED.set(sum(count for _, count in known))


def _due(session: Any, schedule: Schedule) -> tuple[DueRun | None, Run | None]:
    """Return the run that is due, and the last one that has finished."""
    made = runs(session)
    finished = [run for run in made if run.finished_at]
    return due_run(session, schedule, made), finished[-1] if finished else None


def _make(services: Services, schedule: Schedule, due: DueRun) -> None:
    log.info("accrual_begun", through=str(due.through), due_on=str(due.due_on))
    rules = law_in_force().rules
    progress = _Progress(count_owing(services.store, due.through, rules), services.stop)
    try:
        summary = accrue_on_record(
            services.store,
            due.through,
            rules,
            BY_SCHEDULE,
            f"schedule: {schedule.name}",
            progress,
            workers=1,
        )
    except Conflict as error:
        if error.code != "period_closed":
            raise
        # Its month was closed since it began: the rest is accrued in the next one.
        log.warning("accrual_closed_out", through=str(due.through), reason=error.message)
        return
    _show(services.store, due=False, refused=summary.refused)
    _log(due, summary)


def _log(due: DueRun, summary: Summary) -> None:
    for number, reason in summary.refusals.items():
        log.warning("accrual_refused", account=number, reason=reason)
    log.info(
        "accrual_finished",
        through=str(due.through),
        accounts=summary.accounts,
        changed=summary.changed,
        added=summary.added,
        taken_back=summary.taken_back,
        refused=summary.refused,
    )


class _Progress:
    """Counts and logs the accounts done; raises StoppedError when the worker is to end."""

    def __init__(self, accounts: int, stop: Stop) -> None:
        self._accounts = accounts
        self._stop = stop
        self._done = 0
        self._next_log = time.monotonic() + LOG_EVERY

    def __call__(self, done: int) -> None:
        if self._stop.is_set():
            raise StoppedError
        self._done += done
        telemetry.ACCRUAL_ACCOUNTS.inc(done)
        if time.monotonic() >= self._next_log:
            log.info("accrual_progress", done=self._done, accounts=self._accounts)
            self._next_log = time.monotonic() + LOG_EVERY
