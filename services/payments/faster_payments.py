"""«СБП»: an open payment as a QR code, to be paid from the application of any bank."""

from __future__ import annotations

from typing import Any

from services.payments import views
from services.payments.polling import Acquirers, order_of
from services.payments.state import State
from shared.eventstore import Store


def code_of(store: Store, acquirers: Acquirers, query: views.OwnPayment) -> dict[str, Any]:
    """Return {payload}: what the QR code of an open payment holds, None where there is none.

    Raises NotFound for a payment of somebody else.
    """
    payment = store.query(lambda session: views.own_snapshot(session, query))
    acquirer = acquirers.of(payment.acquirer)
    code = None
    if acquirer is not None and payment.state is State.AWAITING_PAYMENT and payment.form_url:
        code = acquirer.faster_payment(order_of(payment))
    return {"payload": code.payload if code else None}
