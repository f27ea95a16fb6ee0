"""The acquirer's callback and the payer's return: reasons to ask, never proofs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.payments import application
from services.payments.acquirer import Acquirer, is_genuine
from services.payments.application import OwnPayment, Standing
from services.payments.domain import State
from services.payments.settlement import Outcome, settle
from shared.errors import Forbidden, Unavailable
from shared.eventstore import Store
from shared.logs import get_logger

log = get_logger(__name__)

_TAKEN = frozenset({State.CAPTURED, State.COMPLETED})


def receive_callback(
    store: Store, acquirer: Acquirer, secret: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Believe a genuine callback enough to ask the acquirer: {accepted: true}.

    Raises Forbidden `bad_checksum` for a forged one, and Unavailable when the acquirer does not
    answer: then it calls back again.
    """
    if not is_genuine(parameters, secret):
        log.warning("callback_forged")
        raise Forbidden("bad_checksum", "The checksum of the callback is wrong; check the key.")
    order_number = parameters.get("orderNumber", "")
    payment = store.query(lambda s: application.standing_by_number(s, order_number))
    if payment is None:
        # Genuine, but of another shop under the same contract: calling back again helps nobody.
        log.warning("callback_of_unknown_order")
        return {"accepted": True}
    if payment.state not in _TAKEN and _ask(store, acquirer, payment) is Outcome.UNKNOWN:
        raise Unavailable("acquirer_unavailable", "Call back again: the status call failed.")
    return {"accepted": True}


def refresh_own(store: Store, acquirer: Acquirer, person_id: UUID, payment_id: UUID) -> None:
    """The payer came back from the acquirer's page: ask, unless the money is known to be taken.

    An acquirer that does not answer changes nothing here; the schedule goes on asking.
    Raises NotFound for a payment of somebody else.
    """
    query = OwnPayment(person_id=person_id, payment_id=payment_id)
    payment = store.query(lambda session: application.own_standing(session, query))
    if payment.state not in _TAKEN:
        _ask(store, acquirer, payment)


def _ask(store: Store, acquirer: Acquirer, payment: Standing) -> Outcome:
    outcome = settle(store, acquirer, payment)
    command = application.NotePoll(payment_id=payment.payment_id, outcome=outcome.value)
    if outcome is Outcome.UNKNOWN:
        store.transact(application.poll_anew, command)
    elif outcome is not Outcome.SETTLED:
        store.transact(application.note_outcome, command)
    return outcome
