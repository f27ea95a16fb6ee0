"""Starting a payment: our promise first, then the acquirer's order, then its page's address.

Every step may be the last before a crash, so the same command can always be sent again: it goes
on where the first one stopped, and answers what the first would have answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from services.payments import application
from services.payments.acquirer import (
    Acquirer,
    NewOrder,
    NumberTaken,
    Refused,
    Registered,
    UnknownOutcome,
)
from services.payments.application import SESSION, Standing
from services.payments.domain import (
    Failure,
    Line,
    Split,
    State,
    frozen_split,
    must_be_restarted,
    payment_id_of,
)
from services.payments.settlement import Outcome, settle
from shared import context
from shared.clock import Clock
from shared.errors import NotFound, Unavailable
from shared.eventstore import Store
from shared.ids import derived_id, new_id
from shared.logs import get_logger

log = get_logger(__name__)

#: An order that the acquirer knows, but whose page we do not, may belong to a call of the same
#: command that is still under way: it has this long to finish before the payment is given up.
UNDER_WAY: Final = timedelta(seconds=12)

_DESCRIPTION: Final = "Оплата по лицевым счетам"

#: Of these account numbers, which the person has not linked.
ForeignAccounts = Callable[[UUID, list[str]], Sequence[str]]


class Checkout:
    """Starts payments. `return_url` has `{payment_id}` in it."""

    def __init__(
        self,
        store: Store,
        acquirer: Acquirer,
        clock: Clock,
        foreign_accounts: ForeignAccounts,
        return_url: str,
    ) -> None:
        self._store = store
        self._acquirer = acquirer
        self._clock = clock
        self._foreign_accounts = foreign_accounts
        self._return_url = return_url

    def start(self, person_id: UUID, lines: Sequence[Line]) -> dict[str, Any]:
        """Make the order: {payment_id, total, redirect_url, state}.

        Raises ValidationFailed (see `frozen_split`), NotFound `account_not_linked`, Conflict
        `payment_must_be_restarted` or `command_reused`, and Unavailable when the acquirer's
        answer is not known: then the same command is sent again.
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
            payment = self._standing(payment_id)
            if payment.form_url is None and payment.state is State.CREATED:
                payment = self._register(payment, command_id)
            return self._answer(payment)

    def _check_linked(self, person_id: UUID, split: Split) -> None:
        foreign = self._foreign_accounts(person_id, [line.account for line in split])
        if foreign:
            raise NotFound(
                "account_not_linked",
                "Link the account to the cabinet before paying it.",
                accounts=list(foreign),
            )

    def _register(self, payment: Standing, command_id: UUID) -> Standing:
        order = NewOrder(
            order_number=payment.order_number,
            amount=payment.total,
            description=_DESCRIPTION,
            return_url=self._page_of(payment),
            session_seconds=int(SESSION.total_seconds()),
        )
        match self._acquirer.register(order):
            case Registered(order_id=order_id, form_url=form_url):
                command = application.NoteRegistered(
                    payment_id=payment.payment_id, acquirer_order_id=order_id, form_url=form_url
                )
                with context.bind(command_id=derived_id(command_id, "registered")):
                    self._store.execute(application.note_registered, command)
            case NumberTaken():
                self._recover(payment)
            case Refused(code=code):
                log.error("order_refused", payment_id=str(payment.payment_id), error_code=code)
                refusal = application.FailPayment(
                    payment_id=payment.payment_id, reason=Failure.REFUSED
                )
                self._store.transact(application.fail_payment, refusal)
            case UnknownOutcome(reason=reason):
                self._ask_soon(payment, reason)
                raise _acquirer_silent()
        return self._standing(payment.payment_id)

    def _recover(self, payment: Standing) -> None:
        """An earlier call registered the order; its answer was lost, or is just being kept."""
        outcome = settle(self._store, self._acquirer, payment)
        if outcome is Outcome.SETTLED or self._standing(payment.payment_id).form_url:
            return
        if outcome is not Outcome.PENDING:
            self._ask_soon(payment, outcome.value)
            raise _acquirer_silent()
        if self._clock.now() < payment.created_at + UNDER_WAY:
            raise Unavailable(
                "payment_under_way",
                "The same payment is being started; send the same command again in some seconds.",
            )
        # Nobody ever saw the page, so nothing can have been charged.
        command = application.LoseForm(payment_id=payment.payment_id)
        self._store.transact(application.lose_form, command)

    def _ask_soon(self, payment: Standing, outcome: str) -> None:
        command = application.NotePoll(payment_id=payment.payment_id, outcome=outcome)
        self._store.transact(application.poll_anew, command)

    def _answer(self, payment: Standing) -> dict[str, Any]:
        """The first answer, also when much has happened since."""
        taken = payment.state in {State.CAPTURED, State.COMPLETED}
        if payment.form_url is None and not taken:
            raise must_be_restarted(payment.payment_id)
        return {
            "payment_id": str(payment.payment_id),
            "total": payment.total,
            "redirect_url": payment.form_url or self._page_of(payment),
            "state": (State.AWAITING_PAYMENT if payment.form_url else payment.state).value,
        }

    def _page_of(self, payment: Standing) -> str:
        return self._return_url.format(payment_id=payment.payment_id)

    def _find(self, payment_id: UUID) -> Standing | None:
        return self._store.query(lambda session: application.standing(session, payment_id))

    def _standing(self, payment_id: UUID) -> Standing:
        payment = self._find(payment_id)
        if payment is None:
            raise RuntimeError(f"payment {payment_id} was started, and is not there")
        return payment


def _acquirer_silent() -> Unavailable:
    return Unavailable(
        "acquirer_unavailable",
        "The acquirer did not answer; nothing was charged. Send the same command again.",
    )
