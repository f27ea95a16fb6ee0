"""Registering the order of a payment at an acquirer, so that the payer gets its page.

Every step may be the last one before a crash, so it can always be repeated: by the same command, by
a page that waits, by the worker. Nobody sees a page before it is recorded here; an order whose page
was lost can therefore be left, and another one takes its place.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from services.payments import application, scheduling, snapshots
from services.payments.acquirers import (
    Acquirer,
    Done,
    NewOrder,
    NumberTaken,
    OrderState,
    Refused,
    Registered,
    Registration,
    UnknownOutcome,
)
from services.payments.polling import (
    Acquirers,
    PollOutcome,
    order_of,
    poll_acquirer,
    record_report,
)
from services.payments.scheduling import SESSION, RecordPoll
from services.payments.snapshots import PaymentSnapshot
from services.payments.state import State
from shared.contracts.payments import Failure
from shared.eventstore import Session, Store
from shared.logs import get_logger

log = get_logger(__name__)

_DESCRIPTION: Final = "Оплата по лицевым счетам"

_UNPAID: Final = {OrderState.PENDING, OrderState.DECLINED, OrderState.EXPIRED}

LOST_AT_ONCE: Final = 2.0
"""Seconds: an answer that is lost within them is not a timeout, so the call may be repeated."""
MOST_ORDERS: Final = 4
"""How many orders one call tries, one after the other."""
MOST_SECONDS: Final = 15.0
"""After so long no further order is tried: the claim must outlast the call."""


class Registrar:
    """Registers orders. `return_url` is a template with `{payment_id}`."""

    def __init__(self, store: Store, acquirers: Acquirers, return_url: str) -> None:
        self._store = store
        self._acquirers = acquirers
        self._return_url = return_url

    def register(self, payment: PaymentSnapshot) -> PaymentSnapshot:
        """Register the order of a payment that has no page; return it as it is then.

        Another call that is doing it is left alone. Where no acquirer answers, the payment stays as
        it is, and the worker goes on with it.
        """
        until = self._store.transact(scheduling.claim_registration, payment.payment_id)
        if until is None:
            return self.load(payment)
        try:
            # As it is now: another call may have had the claim since the payment was read.
            payment = self.load(payment)
        except BaseException:
            self._end_claim(payment, until)
            raise
        return self.register_claimed(payment, until)

    def register_claimed(self, payment: PaymentSnapshot, until: datetime) -> PaymentSnapshot:
        """Do the same under a claim that the caller has had since before the payment was read."""
        ends = time.monotonic() + MOST_SECONDS
        try:
            for _ in range(MOST_ORDERS):
                if payment.state is not State.CREATED or payment.form_url:
                    break
                if time.monotonic() > ends:
                    break
                attempted = self._attempt(payment, until)
                if isinstance(attempted, PaymentSnapshot):
                    return attempted
                if not attempted:
                    break
                payment = self.load(payment)
        except BaseException:
            self._end_claim(payment, until)
            raise
        self._end_claim(payment, until)
        return self.load(payment)

    def page_of(self, payment: PaymentSnapshot) -> str:
        """Return the address of our page of a payment."""
        return self._return_url.format(payment_id=payment.payment_id)

    def load(self, payment: PaymentSnapshot) -> PaymentSnapshot:
        """Return a payment as it is now."""
        found = self._store.look(lambda s: snapshots.snapshot(s, payment.payment_id))
        return _known(payment, found)

    def _end_claim(self, payment: PaymentSnapshot, until: datetime) -> None:
        claim = scheduling.EndClaim(payment_id=payment.payment_id, until=until)
        self._store.transact(scheduling.end_claim, claim)

    def _attempt(self, payment: PaymentSnapshot, until: datetime) -> PaymentSnapshot | bool:
        """Try one order; return the payment with its page, or whether another one may be tried.

        With the page the claim has ended.
        """
        acquirer = self._acquirers.of(payment.acquirer)
        registration: Registration = Refused("not configured")
        if acquirer is not None:
            registration = self._ask(acquirer, payment)
        match registration:
            case Registered(order_id=order_id, form_url=form_url):
                return self._record(acquirer, payment, order_id, form_url, until)
            case NumberTaken():
                return self._recover(acquirer, payment)
            case Refused(reason=reason):
                log.error("order_refused", payment_id=str(payment.payment_id), reason=reason)
                return self._go_to_next(payment) or self._fail(payment)
            case UnknownOutcome(reason=reason):
                log.warning("order_unanswered", payment_id=str(payment.payment_id), reason=reason)
                return self._go_to_next(payment) or self._wait(payment)

    def _ask(self, acquirer: Acquirer, payment: PaymentSnapshot) -> Registration:
        """Register the order; once more where the answer was lost at once."""
        asked_at = time.monotonic()
        registration = acquirer.register(self._order(payment))
        lost = isinstance(registration, UnknownOutcome)
        if lost and time.monotonic() - asked_at < LOST_AT_ONCE:
            return acquirer.register(self._order(payment))
        return registration

    def _order(self, payment: PaymentSnapshot) -> NewOrder:
        return NewOrder(
            order_number=payment.order_number,
            amount=payment.total,
            description=_DESCRIPTION,
            return_url=self.page_of(payment),
            session_seconds=int(SESSION.total_seconds()),
        )

    def _record(
        self,
        acquirer: Acquirer | None,
        payment: PaymentSnapshot,
        order_id: str,
        form_url: str,
        until: datetime,
    ) -> PaymentSnapshot:
        """Record the page and end the claim, in one transaction; return the payment as it is then.

        An order that no payer may see any more is closed.
        """
        command = application.RecordRegistration(
            payment_id=payment.payment_id,
            order_number=payment.order_number,
            acquirer_order_id=order_id,
            form_url=form_url,
        )
        claim = scheduling.EndClaim(payment_id=payment.payment_id, until=until)

        def record_page(
            session: Session, command: application.RecordRegistration
        ) -> tuple[bool, PaymentSnapshot | None]:
            seen = application.record_registration(session, command)
            scheduling.end_claim(session, claim)
            return seen, snapshots.snapshot(session, command.payment_id)

        seen, found = self._store.transact(record_page, command)
        if not seen and acquirer is not None:
            acquirer.close(order_of(payment))
        return _known(payment, found)

    def _recover(self, acquirer: Acquirer | None, payment: PaymentSnapshot) -> bool:
        """Leave an order that an earlier call has registered, and whose page it has lost."""
        report = None if acquirer is None else acquirer.find_order(order_of(payment))
        if acquirer is None or report is None or report.state is OrderState.UNKNOWN:
            return self._wait(payment)
        if report.state not in _UNPAID:
            # It was charged, though nobody has seen its page.
            record_report(self._store, self._acquirers, payment, report)
            return False
        if self._store.query(lambda session: session.read.lost.is_open()):
            # The log may have lost that somebody has seen it.
            return self._wait(payment)
        if report.state is OrderState.PENDING:
            acquirer.close(order_of(payment))
        self._lose(payment, payment.acquirer)
        return True

    def _go_to_next(self, payment: PaymentSnapshot) -> bool:
        """Take the next acquirer, if there is one that has not been asked."""
        names = list(self._acquirers.by_name)
        own = payment.acquirer or self._acquirers.first
        asked = self._store.query(
            lambda session: {
                row["acquirer"] or self._acquirers.first
                for row in session.read.orders(payment.payment_id)
            }
        )
        following = [name for name in names if name not in asked and name != own]
        if not following:
            return False
        self._lose(payment, following[0])
        return True

    def _lose(self, payment: PaymentSnapshot, acquirer: str) -> None:
        command = application.LoseOrder(
            payment_id=payment.payment_id, order_number=payment.order_number, acquirer=acquirer
        )
        self._store.transact(application.lose_order, command)

    def _fail(self, payment: PaymentSnapshot) -> bool:
        command = application.FailPayment(payment_id=payment.payment_id, reason=Failure.REFUSED)
        self._store.transact(application.fail_payment, command)
        return False

    def _wait(self, payment: PaymentSnapshot) -> bool:
        command = RecordPoll(payment_id=payment.payment_id, outcome=PollOutcome.UNKNOWN.value)
        self._store.transact(scheduling.restart_polling, command)
        return False


def _known(payment: PaymentSnapshot, found: PaymentSnapshot | None) -> PaymentSnapshot:
    if found is None:
        raise RuntimeError(f"payment {payment.payment_id} was started but is missing")
    return found


def close_order(
    store: Store,
    acquirers: Acquirers,
    payment: PaymentSnapshot,
    because: Failure = Failure.REPLACED,
) -> None:
    """Close an open payment at the acquirer, so that another one may take its place.

    Does nothing where it turns out to be decided. Raises Conflict `payment_open` where the order
    cannot be closed: it may still be paid. Where a card is only held at first, an order that is
    left takes nothing, so that one need not be closed.
    """
    keeps_polling = False
    if payment.form_url:
        polled = poll_acquirer(store, acquirers, payment)
        if polled is PollOutcome.DECIDED:
            return
        if polled is PollOutcome.UNKNOWN:
            # It may be paid by now, and an acquirer that is silent closes nothing, either.
            raise application.payment_open(payment.payment_id)
        acquirer = acquirers.of(payment.acquirer)
        outcome = None if acquirer is None else acquirer.close(order_of(payment))
        keeps_polling = acquirer is not None and acquirer.two_steps and outcome != Done()
        if not isinstance(outcome, Done) and not keeps_polling:
            if poll_acquirer(store, acquirers, payment) is PollOutcome.DECIDED:
                # Another call has closed it, or the payer has been quicker.
                return
            raise application.payment_open(payment.payment_id)
    command = application.ReplacePayment(seen=payment, keeps_polling=keeps_polling, because=because)
    store.transact(application.replace_payment, command)


def close_declined(store: Store, acquirers: Acquirers, payment: PaymentSnapshot) -> None:
    """Close the page of a declined payment, which may take another card, where that can be.

    Once it is closed no other start need do it again; the poll after its session still comes.
    """
    acquirer = acquirers.of(payment.acquirer)
    if acquirer is not None and payment.form_url:
        outcome = acquirer.close(order_of(payment))
        log.info(
            "declined_order_closed",
            payment_id=str(payment.payment_id),
            outcome=type(outcome).__name__,
        )
        if isinstance(outcome, Done):
            closed = RecordPoll(payment_id=payment.payment_id, outcome="closed")
            store.transact(scheduling.record_outcome, closed)
