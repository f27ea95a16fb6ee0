"""The acquirer's callback and the payer's return: reasons to poll the acquirer, never proofs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.payments import application
from services.payments.acquirers import Acquirer
from services.payments.application import OwnPayment, PaymentSnapshot
from services.payments.domain import State
from services.payments.polling import PollOutcome, poll_acquirer
from shared.errors import Forbidden, Unavailable
from shared.eventstore import Store
from shared.logs import get_logger

log = get_logger(__name__)

_CAPTURED = frozenset({State.CAPTURED, State.COMPLETED})


def receive_callback(
    store: Store, acquirer: Acquirer, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Poll the acquirer because of a genuine callback; return {accepted: true}.

    Raises Forbidden `callback_forged`, and Unavailable when the acquirer does not answer the poll:
    it then sends the callback again.
    """
    callback = acquirer.read_callback(parameters)
    if callback is None:
        log.warning("callback_forged")
        raise Forbidden(
            "callback_forged", "The signature of the callback is wrong; check the callback key."
        )
    payment = store.query(lambda s: application.snapshot_by_number(s, callback.order_number))
    if payment is None:
        # Genuine, but of another shop under the same contract: refusing it would only repeat it.
        log.warning("callback_of_unknown_order")
        return {"accepted": True}
    if payment.state not in _CAPTURED and _poll(store, acquirer, payment) is PollOutcome.UNKNOWN:
        raise Unavailable("acquirer_unavailable", "Call back again: the status call failed.")
    return {"accepted": True}


def refresh_own(store: Store, acquirer: Acquirer, person_id: UUID, payment_id: UUID) -> None:
    """Poll the acquirer when the payer returns from its page, unless the money is captured.

    If the acquirer does not answer, nothing changes here and polling goes on by schedule.
    Raises NotFound for a payment of somebody else.
    """
    query = OwnPayment(person_id=person_id, payment_id=payment_id)
    payment = store.query(lambda session: application.own_snapshot(session, query))
    if payment.state not in _CAPTURED:
        _poll(store, acquirer, payment)


def _poll(store: Store, acquirer: Acquirer, payment: PaymentSnapshot) -> PollOutcome:
    outcome = poll_acquirer(store, acquirer, payment)
    command = application.RecordPoll(payment_id=payment.payment_id, outcome=outcome.value)
    if outcome is PollOutcome.UNKNOWN:
        store.transact(application.restart_polling, command)
    elif outcome is not PollOutcome.DECIDED:
        store.transact(application.record_outcome, command)
    return outcome
