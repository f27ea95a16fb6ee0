"""Starting a payment: our own record first, then the order at the acquirer, then its page.

Every step may be the last one before a crash, so the same command can always be sent again: it
resumes where the first one stopped, and returns what the first would have returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from typing import Any, Final
from uuid import UUID

from services.payments import application
from services.payments.acquirers import (
    Acquirer,
    NewOrder,
    NumberTaken,
    Refused,
    Registered,
    UnknownOutcome,
)
from services.payments.application import SESSION, PaymentSnapshot
from services.payments.domain import (
    Line,
    Split,
    State,
    frozen_split,
    must_be_restarted,
    payment_id_of,
)
from services.payments.polling import PollOutcome, poll_acquirer
from shared import context
from shared.clock import Clock
from shared.contracts.payments import Failure
from shared.errors import NotFound, Unavailable
from shared.eventstore import Store
from shared.ids import derived_id, new_id
from shared.logs import get_logger

log = get_logger(__name__)

#: An order that the acquirer knows, but whose page we do not, may belong to a concurrent call of
#: the same command. That call has this long to finish before the payment is given up.
REGISTRATION_GRACE: Final = timedelta(seconds=12)

_DESCRIPTION: Final = "Оплата по лицевым счетам"

#: (person, account numbers) -> those that the person has not linked.
FindUnlinked = Callable[[UUID, list[str]], Sequence[str]]


class Checkout:
    """Starts payments. `return_url` is a template with `{payment_id}`."""

    def __init__(
        self,
        store: Store,
        acquirer: Acquirer,
        clock: Clock,
        find_unlinked: FindUnlinked,
        return_url: str,
    ) -> None:
        self._store = store
        self._acquirer = acquirer
        self._clock = clock
        self._find_unlinked = find_unlinked
        self._return_url = return_url

    def start(self, person_id: UUID, lines: Sequence[Line]) -> dict[str, Any]:
        """Register the order; return {payment_id, total, redirect_url, state}.

        Raises ValidationFailed (see `frozen_split`), NotFound `account_not_linked`, Conflict
        `payment_must_be_restarted` or `command_reused`, and Unavailable when the outcome is
        unknown: then send the same command again.
        """
        split = frozen_split(lines)
        command_id = context.current().command_id or new_id()
        payment_id = payment_id_of(person_id, command_id)
        if self._find(payment_id) is None:
            self._check_linked(person_id, split)
        with context.bind(command_id=command_id):
            command = application.StartPayment(
                payment_id=payment_id, person_id=person_id, lines=split
            )
            self._store.execute(application.start_payment, command)
            payment = self._load(payment_id)
            if payment.form_url is None and payment.state is State.CREATED:
                payment = self._register(payment, command_id)
            return self._result(payment)

    def _check_linked(self, person_id: UUID, split: Split) -> None:
        unlinked = self._find_unlinked(person_id, [line.account for line in split])
        if unlinked:
            raise NotFound(
                "account_not_linked",
                "Link the account to the cabinet before paying it.",
                accounts=list(unlinked),
            )

    def _register(self, payment: PaymentSnapshot, command_id: UUID) -> PaymentSnapshot:
        order = NewOrder(
            order_number=payment.order_number,
            amount=payment.total,
            description=_DESCRIPTION,
            return_url=self._page_of(payment),
            session_seconds=int(SESSION.total_seconds()),
        )
        match self._acquirer.register(order):
            case Registered(order_id=order_id, form_url=form_url):
                command = application.RecordRegistration(
                    payment_id=payment.payment_id, acquirer_order_id=order_id, form_url=form_url
                )
                with context.bind(command_id=derived_id(command_id, "registered")):
                    self._store.execute(application.record_registration, command)
            case NumberTaken():
                self._recover(payment)
            case Refused(reason=reason):
                log.error("order_refused", payment_id=str(payment.payment_id), reason=reason)
                refusal = application.FailPayment(
                    payment_id=payment.payment_id, reason=Failure.REFUSED
                )
                self._store.transact(application.fail_payment, refusal)
            case UnknownOutcome(reason=reason):
                self._restart_polling(payment, reason)
                raise _acquirer_unavailable()
        return self._load(payment.payment_id)

    def _recover(self, payment: PaymentSnapshot) -> None:
        """Resume after a call that registered the order: it was lost, or is still recording it."""
        outcome = poll_acquirer(self._store, self._acquirer, payment)
        if outcome is PollOutcome.DECIDED or self._load(payment.payment_id).form_url:
            return
        if outcome is not PollOutcome.PENDING:
            self._restart_polling(payment, outcome.value)
            raise _acquirer_unavailable()
        grace = payment.created_at + REGISTRATION_GRACE - self._clock.now()
        if grace > timedelta(0):
            raise Unavailable(
                "payment_under_way",
                "The same payment is being started; send the same command again in some seconds.",
                retry_after_seconds=ceil(grace.total_seconds()),
            )
        # Nobody has seen the page, so nothing can have been charged.
        command = application.AbandonOrder(payment_id=payment.payment_id)
        self._store.transact(application.abandon_order, command)

    def _restart_polling(self, payment: PaymentSnapshot, outcome: str) -> None:
        command = application.RecordPoll(payment_id=payment.payment_id, outcome=outcome)
        self._store.transact(application.restart_polling, command)

    def _result(self, payment: PaymentSnapshot) -> dict[str, Any]:
        """Return what the first call returned, whatever has happened since."""
        taken = payment.state in {State.CAPTURED, State.COMPLETED}
        if payment.form_url is None and not taken:
            raise must_be_restarted(payment.payment_id)
        return {
            "payment_id": str(payment.payment_id),
            "total": payment.total,
            "redirect_url": payment.form_url or self._page_of(payment),
            "state": (State.AWAITING_PAYMENT if payment.form_url else payment.state).value,
        }

    def _page_of(self, payment: PaymentSnapshot) -> str:
        return self._return_url.format(payment_id=payment.payment_id)

    def _find(self, payment_id: UUID) -> PaymentSnapshot | None:
        return self._store.query(lambda session: application.snapshot(session, payment_id))

    def _load(self, payment_id: UUID) -> PaymentSnapshot:
        payment = self._find(payment_id)
        if payment is None:
            raise RuntimeError(f"payment {payment_id} was started but is missing")
        return payment


def _acquirer_unavailable() -> Unavailable:
    return Unavailable(
        "acquirer_unavailable",
        "The acquirer did not answer; nothing was charged. Send the same command again.",
    )
