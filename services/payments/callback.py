"""The acquirer's callback and the payer's return: reasons to poll the acquirer, never proofs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from services.payments import scheduling, snapshots, views
from services.payments.acquirers import Callback, CallbackRequest
from services.payments.polling import Acquirers, PollOutcome, poll_acquirer
from services.payments.scheduling import RecordPoll
from services.payments.snapshots import PaymentSnapshot
from services.payments.state import OPEN, State
from services.payments.views import OwnPayment
from shared.errors import Forbidden, NotFound, Unavailable
from shared.eventstore import Session, Store
from shared.logs import get_logger

log = get_logger(__name__)

POSTED_S: Final = 1.0
"""How long a payer's look waits for what is charged to be posted: it takes a part of that."""
ANSWER_S: Final = 0.5
"""How long it waits while somebody else, as a callback, has the acquirer asked."""

#: (payment, its state, seconds) -> the state that it has within this time; None for no other one.
Changed = Callable[[UUID, State, float], State | None]


def receive_callback(
    store: Store, acquirers: Acquirers, name: str, request: CallbackRequest
) -> dict[str, Any]:
    """Poll the acquirer because of a genuine callback; return {accepted: true}.

    Callbacks about one order that follow each other closely have it polled once more, soon. Raises
    NotFound `acquirer_not_found`, Forbidden `callback_forged`, and Unavailable when the acquirer
    does not answer the poll, or denies what it calls back about: it then sends the callback again.
    """
    acquirer = acquirers.of(name)
    if acquirer is None:
        raise NotFound("acquirer_not_found", "There is no acquirer of this name here.")
    callback = acquirer.read_callback(request)
    if callback is None:
        log.warning("callback_forged", acquirer=name)
        raise Forbidden(
            "callback_forged", "The signature of the callback is wrong; check the callback key."
        )
    payment, may_ask = store.transact(_asked_about, callback)
    if payment is None and not callback.order_number:
        # What was brought back after a loss is known by its number alone.
        number = acquirer.number_of(callback.order_id)
        if number:
            payment, may_ask = store.transact(_asked_about, Callback(order_number=number))
    if payment is None:
        # Genuine, but of another shop under the same contract: refusing it would only repeat it.
        log.warning("callback_of_unknown_order", acquirer=name)
        return {"accepted": True}
    soon = RecordPoll(payment_id=payment.payment_id, outcome="callback")
    if not may_ask:
        store.transact(scheduling.ask_soon, soon)
        return {"accepted": True}
    outcome = poll_now(store, acquirers, payment)
    if payment.state not in OPEN and outcome not in {PollOutcome.DECIDED, PollOutcome.MISMATCH}:
        # It has news of what was decided, and its status call knows nothing of them, or denies all.
        store.transact(scheduling.ask_soon, soon)
        outcome = PollOutcome.UNKNOWN
    if outcome is PollOutcome.UNKNOWN:
        raise Unavailable("acquirer_unavailable", "Call back again: the status call failed.")
    return {"accepted": True}


def _asked_about(session: Session, callback: Callback) -> tuple[PaymentSnapshot | None, bool]:
    """Return the payment that a callback is about, and whether the acquirer may be asked now."""
    payment = snapshots.snapshot_by_order(session, callback.order_number, callback.order_id)
    return payment, payment is not None and scheduling.may_ask(session, payment.order_number)


def refresh_own(
    store: Store,
    acquirers: Acquirers,
    person_id: UUID,
    payment_id: UUID,
    changed: Changed | None = None,
) -> dict[str, Any]:
    """Return a payer's payment as `views.own_payment`; the acquirer is polled if it is undecided.

    As when the payer returns from its page. Like a callback, once in two seconds at most. If the
    acquirer does not answer, polling goes on by schedule. What is being done to the payment at this
    moment is waited for, if `changed` waits. Raises NotFound for a payment of somebody else.
    """
    query = OwnPayment(person_id=person_id, payment_id=payment_id)
    shown, payment, being_asked = store.look(lambda session: views.look_at_own(session, query))
    if payment.state in OPEN and payment.form_url is not None and not being_asked:
        being_asked = not store.transact(scheduling.may_ask, payment.order_number)
        if not being_asked:
            poll_now(store, acquirers, payment)
            shown, payment, _ = store.look(lambda session: views.look_at_own(session, query))
    began, state = time.monotonic(), payment.state
    while changed is not None and (patience := _patience(state, being_asked=being_asked)):
        left = began + patience - time.monotonic()
        found = changed(payment_id, state, left) if left > 0 else None
        if found is None:
            break
        state = found
    return shown if state == payment.state else store.look(lambda s: views.own_payment(s, query))


def _patience(state: State, *, being_asked: bool) -> float:
    """Return for how many seconds it is worth while to wait for a payment to change."""
    if state is State.CAPTURED:
        return POSTED_S
    return ANSWER_S if state in OPEN and being_asked else 0.0


def poll_now(store: Store, acquirers: Acquirers, payment: PaymentSnapshot) -> PollOutcome:
    """Poll the acquirer between two times of the schedule, and record the outcome."""
    outcome = poll_acquirer(store, acquirers, payment)
    command = RecordPoll(
        payment_id=payment.payment_id, outcome=outcome.value, order_number=payment.order_number
    )
    if payment.is_lost:
        # What is not a charge says nothing of the order that has taken its place.
        return outcome
    if payment.state not in OPEN and outcome is not PollOutcome.DECIDED:
        return outcome
    if outcome is PollOutcome.UNKNOWN:
        store.transact(scheduling.restart_polling, command)
    elif outcome not in {PollOutcome.DECIDED, PollOutcome.MISMATCH}:
        store.transact(scheduling.record_outcome, command)
    return outcome
