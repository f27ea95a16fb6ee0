"""Reconciliations in the worker: those that staff ask for, and that of each night.

One at a time, in a thread of its own: an acquirer that reports slowly must not hold up the polls of
payments. A worker that ends leaves its run to the next one, which begins it again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date, time, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from services.payments import snapshots, staff_views
from services.payments.callback import poll_now
from services.payments.configured import acquirers_of
from services.payments.polling import Acquirers
from services.payments.reconciliation import nightly, runs
from services.payments.reconciliation.reconciler import EARLIER_DAYS, Reconciler, Result
from services.payments.reconciliation.registered import register_lines
from services.payments.reconciliation.runs import Claim
from shared import context, telemetry
from shared.bus.reader import StoppedError
from shared.config import Settings
from shared.errors import ServiceError
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from shared.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY: Final = 60.0
"""Seconds between two looks at the schedule."""
NOTE_EVERY: Final = 0.5
"""Seconds between two notes of the progress."""
LEDGER_DEADLINE: Final = 30.0


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

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        """Call another service."""
        ...


class Reconciliations:
    """The reconciliations of one worker."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._next_look = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a reconciliation is being made."""
        return self._thread is not None and self._thread.is_alive()

    def run(self, services: Services) -> int:
        """Begin what is to be made (a job); return 0, so that it waits for its next time."""
        if self.is_busy:
            return 0
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + LOOK_EVERY
            look(services)
        claimed = (
            services.store.transact(lambda session, _: runs.claim(session), None)
            if services.store.look(runs.is_any_to_make)
            else None
        )
        if claimed is not None:
            self._thread = threading.Thread(
                target=make, args=(services, claimed), name="reconciliation", daemon=True
            )
            self._thread.start()
            self._next_look = 0.0
        return 0


def look(services: Services) -> None:
    """Ask for the day that is due by the schedule, and show what is open."""
    zone, at = ZoneInfo(services.settings.timezone), services.settings.payments_reconcile_at
    services.store.transact(lambda session, _: nightly.request_due(session, zone, at), None)
    services.store.query(lambda session: _expose(session, zone, at))


def _expose(session: Session, zone: ZoneInfo, at: time) -> None:
    due = nightly.due(session, zone, at)
    telemetry.RECONCILIATION_DUE.set(0 if due is None else 1)
    open_ = runs.open_differences(session, session.today - timedelta(days=EARLIER_DAYS))
    for kind in runs.DIFFERING:
        telemetry.RECONCILIATION_DIFFERENCES.labels(kind).set(open_.get(kind, 0))
    for what, count in staff_views.stuck_counts(session).items():
        telemetry.PAYMENTS_STUCK.labels(what).set(count)


def make(services: Services, claimed: Claim) -> None:
    """Make a reconciliation, and keep what was found or why nothing was."""
    with context.bind(actor=runs.BY_SCHEDULE, command_id=None, correlation_id=str(new_id())):
        day = claimed.day.isoformat()
        log.info("reconciliation_begun", day=day, attempt=claimed.attempt)
        try:
            result = _reconcile(services, claimed)
        except StoppedError:
            return
        except ServiceError as error:
            log.error("reconciliation_failed", day=day, code=error.code)  # noqa: TRY400
            _fail(services, claimed, f"{error.code}: {error.message}")
        except Exception:
            log.exception("reconciliation_failed", day=day, code="internal")
            _fail(services, claimed, "internal: the worker's log has the error")
        else:
            services.store.transact(lambda session, _: runs.finish(session, claimed, result), None)
            _log(claimed.day, result)


def _reconcile(services: Services, claimed: Claim) -> Result:
    acquirers = acquirers_of(services.settings)
    reconciler = Reconciler(
        services.store,
        acquirers.by_name,
        ZoneInfo(services.settings.timezone),
        partial(services.call, deadline=LEDGER_DEADLINE),
        partial(poll, services.store, acquirers),
        register_lines,
        _Progress(services, claimed),
    )
    return reconciler.reconcile(claimed.day)


def poll(
    store: PostgresStore, acquirers: Acquirers, payment_id: UUID, numbers: Sequence[str]
) -> None:
    """Ask the acquirer about a payment: about its orders of these numbers, or its order today."""
    found = [
        store.query(partial(snapshots.snapshot_by_order, order_number=number)) for number in numbers
    ] or [store.query(partial(snapshots.snapshot, payment_id=payment_id))]
    for payment in found:
        if payment is not None:
            poll_now(store, acquirers, payment)


def _fail(services: Services, claimed: Claim, failure: str) -> None:
    services.store.transact(lambda session, _: runs.fail(session, claimed, failure), None)


def _log(day: date, result: Result) -> None:
    summary = runs.summary_of(result)
    entry = {
        "day": day.isoformat(),
        "payments": summary["payments"],
        "differences": summary["differences"],
        "settled": summary["settled"],
    }
    if summary["differences"] > summary["settled"]:
        log.warning("reconciliation_differs", **entry)
    else:
        log.info("reconciliation_finished", **entry)


class _Progress:
    """Counts and notes what was read; raises StoppedError when the worker is to end."""

    def __init__(self, services: Services, claimed: Claim) -> None:
        self._services = services
        self._claimed = claimed
        self._read: dict[str, int] = {}
        self._next_note = 0.0

    def __call__(self, what: str, more: int) -> None:
        if self._services.stop.is_set():
            raise StoppedError
        self._read[what] = self._read.get(what, 0) + more
        if monotonic() >= self._next_note:
            self._next_note = monotonic() + NOTE_EVERY
            self._services.store.transact(
                lambda session, _: runs.note_progress(session, self._claimed, self._read), None
            )
