"""The scheduled jobs of payments: orders to register, polls, refunds, and the sweep."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

from services.payments import scheduling
from services.payments.configured import acquirers_of, return_url_of
from services.payments.fiscal.jobs import FISCAL_JOBS
from services.payments.polling import Acquirers, PollOutcome, poll_acquirer
from services.payments.reconciliation.worker import Reconciliations
from services.payments.refunding import due_refunds, make_refund
from services.payments.registers.taking import take_bank_payments
from services.payments.registration import Registrar, close_order
from services.payments.scheduling import SESSION, RecordPoll
from services.payments.snapshots import PaymentSnapshot, snapshot_of
from services.payments.state import OPEN, State
from services.payments.sweep import Sweep
from shared import context
from shared.bus import Job, Services
from shared.contracts.payments import Failure
from shared.errors import Conflict
from shared.eventstore import Session, Store
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

_BATCH: Final = 40
KEPT_CLOSED: Final = timedelta(days=2)
"""How long the payments of a closed account are looked for: an order lives for much less."""
#: An acquirer that hangs must not hold up what others decide.
_THREADS: Final = 8


def poll_undecided(services: Services) -> int:
    """Poll the acquirers about the payments that are due; return their number."""
    settings = services.settings
    return poll_due(services.store, acquirers_of(settings), return_url_of(settings))


def poll_due(store: Store, acquirers: Acquirers, return_url: str) -> int:
    """Record what is decided, and postpone what is not; return the number of payments polled."""
    registrar = Registrar(store, acquirers, return_url)
    due = store.look(lambda session: scheduling.due_polls(session, _BATCH))
    return _together(due, lambda payment: poll_one(store, acquirers, registrar, payment))


def poll_one(
    store: Store, acquirers: Acquirers, registrar: Registrar, payment: PaymentSnapshot
) -> None:
    """Register the order of a payment that has no page yet; poll the acquirer about any other."""
    without_page = payment.state is State.CREATED and not payment.form_url
    if without_page and store.clock.now() < payment.created_at + SESSION:
        payment = registrar.register(payment)
        outcome = PollOutcome.PENDING if payment.form_url else PollOutcome.UNKNOWN
    else:
        outcome = poll_acquirer(store, acquirers, payment)
    command = RecordPoll(
        payment_id=payment.payment_id, outcome=outcome.value, order_number=payment.order_number
    )
    if payment.state not in OPEN and outcome is PollOutcome.DECIDED:
        store.transact(scheduling.settle_poll, command)
    elif outcome not in {PollOutcome.DECIDED, PollOutcome.MISMATCH}:
        store.transact(scheduling.postpone_poll, command)


def make_refunds(services: Services) -> int:
    """Make the refunds that are due; return their number."""
    store, acquirers = services.store, acquirers_of(services.settings)
    if not store.look(lambda session: session.read.refunds.due(session.now, 1)):
        return 0
    if store.look(lambda session: session.read.lost.is_open()):
        return 0  # one may have been made and lost: recovery says so
    due = store.query(lambda session: due_refunds(session, _BATCH))
    return _together(due, lambda refund: make_refund(store, acquirers, refund))


def close_orders_of_closed_accounts(services: Services) -> int:
    """Close open payments of accounts whose holder has gone; return 0, so that the next run waits.

    One that cannot be closed now (its bank is silent, its card is being charged) is tried again.
    """
    close_orders(services.store, acquirers_of(services.settings))
    return 0


def close_orders(store: Store, acquirers: Acquirers) -> int:
    """Close the open payments of closed accounts at the acquirers; return how many were tried."""

    def close(payment: PaymentSnapshot) -> None:
        try:
            close_order(store, acquirers, payment, Failure.ACCOUNT_CLOSED)
        except Conflict as error:
            log.info("order_not_closed", payment_id=str(payment.payment_id), code=error.code)

    # Batch by batch: those that cannot be closed now stay, and must not hold up the others.
    tried, after = 0, 0
    while rows := store.query(partial(_open_payments, after=after)):
        tried += _together([snapshot_of(row) for row in rows], close)
        after = rows[-1]["position"]
    store.transact(_forget_closed, None)
    return tried


def _open_payments(session: Session, after: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = session.read.closed_accounts.open_payments(_BATCH, after=after)
    return rows


def _forget_closed(session: Session, _: None) -> None:
    session.read.closed_accounts.forget(session.now - KEPT_CLOSED)


def _together(items: list[T], work: Callable[[T], None]) -> int:
    """Work on items in threads; return how many are done. One that fails is logged, and due on."""

    def guarded(item: T) -> bool:
        with context.bind(actor="service:payments", command_id=None):
            try:
                work(item)
            except Exception:
                log.exception("payment_job_failed")
                return False
        return True

    if not items:
        return 0
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="payments") as threads:
        return sum(threads.map(guarded, items))


class _Sweeping:
    """One sweep of this worker, which remembers when it reached each acquirer."""

    def __init__(self) -> None:
        self._sweep = Sweep()

    def run(self, services: Services) -> int:
        """Sweep the acquirers; return 0: the next sweep waits for its time."""
        with context.bind(actor="service:payments", command_id=None):
            self._sweep.run(services.store, acquirers_of(services.settings))
        return 0


JOBS: Final = [
    Job("poll_undecided", every=1.0, run=poll_undecided),
    Job("make_refunds", every=1.0, run=make_refunds),
    Job("take_bank_payments", every=1.0, run=take_bank_payments),
    Job("close_orders_of_closed_accounts", every=30.0, run=close_orders_of_closed_accounts),
    Job("sweep_acquirers", every=30.0, run=_Sweeping().run),
    Job("reconcile", every=1.0, run=Reconciliations().run),
    *FISCAL_JOBS,
]
