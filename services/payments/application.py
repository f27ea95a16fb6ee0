"""Use cases of payments: each one transaction, each harmless when repeated.

Calls to the acquirer are made in `checkout`, `polling` and `refunding`; their results come in here
as commands. What is shown of payments is in `views`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments.domain import PaymentOrder
from services.payments.events import Line, Split
from services.payments.scheduling import (
    POLL_AFTER,
    SESSION,
    SESSION_OVER,
    mismatch_due_at,
)
from services.payments.snapshots import PaymentSnapshot
from services.payments.splits import same_split
from services.payments.state import OPEN, State
from shared.contracts.payments import Failure
from shared.errors import Conflict
from shared.eventstore import Session
from shared.ids import derived_id
from shared.money import MAX_AMOUNT, Kopecks

BY_ITSELF: Final = "service:payments"

#: How long a charge of another sum must be reported before it is returned.
MISMATCH_CONFIRMED: Final = timedelta(seconds=15)


class StartPayment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Start a payment; `lines` as the payer entered them, in kopecks.

    `acquirer` is the one that the payer has chosen.
    """

    payment_id: UUID
    person_id: UUID
    lines: tuple[Line, ...]
    acquirer: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator allows: the largest payment, and how many a person may have open."""

    largest: Kopecks = MAX_AMOUNT
    most_open: int = 10


NO_LIMITS: Final = Limits()


class RecordRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer accepted the order; the payer enters the card at `form_url`."""

    payment_id: UUID
    order_number: str
    acquirer_order_id: str
    form_url: str


class LoseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody has seen the page of the order: another one, at `acquirer`, takes its place."""

    payment_id: UUID
    order_number: str
    acquirer: str


class CapturePayment(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports a charge of `amount`; `captured_at` None means now."""

    payment_id: UUID
    amount: Kopecks
    captured_at: datetime | None
    masked_card: str | None
    credited: Split | None = None
    reason: str = ""
    order_number: str = ""
    """The order that was charged, which may have been lost; "": that of the payment."""


class RecordMismatch(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports a charge of another sum than was ordered."""

    payment_id: UUID
    charged: Kopecks
    returned: Kopecks
    """What of it the acquirer has returned by itself."""
    returns: bool
    """Whether the operator has such charges returned by themselves."""


class RecordReturns(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports what went back of a charge in all."""

    payment_id: UUID
    returned: Kopecks


class FailPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports that the payment failed."""

    payment_id: UUID
    reason: Failure
    order_number: str = ""
    """The order that it was said of; it says nothing of one that has taken its place."""


class ReplacePayment(msgspec.Struct, frozen=True, kw_only=True):
    """The payer started another payment of the same accounts in place of this one.

    Or none may be made any more: `because` says which. `keeps_polling`: the order is still open at
    the acquirer, and what is held for it is released. `seen` is the payment as it was when its
    order was closed.
    """

    seen: PaymentSnapshot
    keeps_polling: bool
    because: Failure = Failure.REPLACED


class RecordAbsence(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer does not know the order."""

    payment_id: UUID
    order_number: str


class DecideCapture(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of an order is held on the card, and is to be charged."""

    payment_id: UUID
    order_number: str


class PostLine(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger posted the line of one account at `position` of its log.

    `moved_from`: staff have moved it from that account.
    """

    payment_id: UUID
    account: str
    position: int
    moved_from: str = ""


class PostRefund(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger has taken the refund of one account back at `position` of its log."""

    payment_id: UUID
    refund_id: UUID
    account: str
    position: int


def start_payment(
    session: Session,
    command: StartPayment,
    limits: Limits = NO_LIMITS,
    first: str = "",
    claimed_until: datetime | None = None,
) -> dict[str, Any]:
    """Freeze the split; return {payment_id}, that of an open payment of the same split if any.

    Until `claimed_until` the caller alone may register the order of one that is started here.
    Raises Conflict `payment_open` where another open payment has one of the accounts, and
    `too_many_open_payments`.
    """
    session.read.hold_person(command.person_id)
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.state is State.NONE:
        other = _open_instead(session, command, limits.most_open)
        if other is not None:
            return {"payment_id": str(other)}
    payment.start(command.person_id, command.lines, command.acquirer or first, limits.largest)
    session.read.polls.put(payment.id, session.now, 0, session.now + POLL_AFTER[0], "started")
    if claimed_until is not None:
        session.read.polls.claim(payment.id, session.now, claimed_until)
    return {"payment_id": str(payment.id)}


def _open_instead(session: Session, command: StartPayment, most_open: int) -> UUID | None:
    """Return the open payment that a start leads to; None where it may start one of its own."""
    rows = session.read.payments_in_the_way(command.person_id)
    lines = session.read.lines([row["payment_id"] for row in rows]) if rows else {}
    accounts = {line.account for line in command.lines}
    for row in rows:
        split = [
            Line(one["account"], one["amount"], one["penalty"]) for one in lines[row["payment_id"]]
        ]
        over = row["state"] != State.CAPTURED and session.now >= row["created_at"] + SESSION
        payable = row["state"] != State.MISMATCH and not over
        if payable and same_split(split, command.lines):
            found: UUID = row["payment_id"]
            return found
        if accounts & {line.account for line in split}:
            raise payment_open(row["payment_id"])
    left_open = session.read.replaced_and_open(command.person_id)
    if len([row for row in rows if row["state"] in OPEN]) + left_open >= most_open:
        raise Conflict(
            "too_many_open_payments",
            f"{most_open} payments are open already: finish one of them first.",
            limit=most_open,
        )
    return None


def payment_open(payment_id: UUID) -> Conflict:
    """Return the error for accounts that another payment is being made for."""
    return Conflict(
        "payment_open",
        "Another payment of one of these accounts is not decided yet: wait for its outcome.",
        payment_id=str(payment_id),
    )


def record_registration(session: Session, command: RecordRegistration) -> bool:
    """Keep the address of the page; return whether a payer may see it."""
    payment = session.load(PaymentOrder, command.payment_id)
    seen = payment.record_registration(
        command.order_number, command.acquirer_order_id, command.form_url
    )
    if seen:  # what the acquirer did not say before says nothing of this page
        session.read.polls.record_outcome(command.payment_id, "pending")
    return seen


def lose_order(session: Session, command: LoseOrder) -> None:
    """Take another order in place of one whose page nobody has seen."""
    session.load(PaymentOrder, command.payment_id).lose_order(
        command.order_number, command.acquirer
    )


def capture_payment(session: Session, command: CapturePayment) -> None:
    """Record the charge; the day of payment is the business day of the acquirer's time.

    An acquirer's clock that runs ahead never dates a payment in the future.
    Raises Conflict `amount_mismatch`.
    """
    captured_at = min(command.captured_at or session.now, session.now)
    session.load(PaymentOrder, command.payment_id).capture(
        command.amount,
        captured_at,
        session.clock.day_of(captured_at),
        command.masked_card,
        command.credited,
        command.reason,
        command.order_number,
    )
    session.read.polls.remove(command.payment_id)


def record_mismatch(session: Session, command: RecordMismatch) -> None:
    """Record a charge of another sum; return it once it is confirmed, if the operator wants that.

    It is polled on meanwhile: an acquirer that has misreported may correct itself.
    """
    payment = session.load(PaymentOrder, command.payment_id)
    known = payment.state is State.MISMATCH and payment.charged == command.charged
    payment.find_mismatch(command.charged)
    if not payment.is_open:
        return
    poll = session.read.polls.find(command.payment_id)
    if not known or poll is None or poll["outcome"] != "mismatch":
        again = session.now + MISMATCH_CONFIRMED
        session.read.polls.put(command.payment_id, session.now, 1, again, "mismatch")
        return
    if session.now < poll["since"] + MISMATCH_CONFIRMED:
        return
    next_at = mismatch_due_at(poll["since"], session.now)
    session.read.polls.put(command.payment_id, poll["since"], 1, next_at, "mismatch")
    # A log that was restored may have lost that staff have credited it.
    if command.returns and not session.read.lost.is_open():
        # The acquirer may have refused an earlier one: each has an id of its own.
        refund_id = derived_id(payment.id, "mismatch", str(len(payment.refunds)))
        payment.return_charge(
            refund_id, "another sum was charged than ordered", BY_ITSELF, command.returned
        )


def record_returns(session: Session, command: RecordReturns) -> bool:
    """Record what went back of a charge, as the acquirer says it in all.

    Not while lost events are to be brought back: a refund among them keeps its own id. Then the
    acquirer is asked again, and False returned.
    """
    if session.read.lost.is_open():
        session.read.polls.ask_soon(command.payment_id, session.now + POLL_AFTER[0], "recovering")
        return False
    note_returns(session, command)
    return True


def note_returns(session: Session, command: RecordReturns) -> None:
    """Record what went back, once the refunds that were lost are known again."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.record_returns(command.returned, session.now, session.today)
    if not payment.is_open:
        session.read.polls.remove(command.payment_id)


def fail_payment(session: Session, command: FailPayment) -> None:
    """Record that the payment failed, and stop polling.

    After a declined card the acquirer is polled once more when the session is over: some banks let
    the payer try another card on the same page.
    """
    payment = session.load(PaymentOrder, command.payment_id)
    if command.order_number not in {"", payment.order_number}:
        return
    payment.fail(command.reason)
    row = session.read.payment(command.payment_id)
    over = row["created_at"] + SESSION_OVER
    if command.reason is Failure.DECLINED and session.now < over:
        attempts = POLL_AFTER.index(SESSION_OVER)
        session.read.polls.put(command.payment_id, row["created_at"], attempts, over, "declined")
    else:
        session.read.polls.remove(command.payment_id)


def decide_capture(session: Session, command: DecideCapture) -> bool:
    """Return whether what is held for an order is charged: no other payment takes its place then.

    The order is locked, so that of a capture and a replacement only one is decided.
    """
    session.read.lock_order(command.order_number)
    payment = session.load(PaymentOrder, command.payment_id)
    wanted = payment.is_open and payment.order_number == command.order_number
    if wanted:
        session.read.note_capture(command.order_number, session.now)
    return wanted


def replace_payment(session: Session, command: ReplacePayment) -> None:
    """Record that another payment has taken the place of this one, or none may be made any more.

    Does nothing where it is not any more as it was seen. Raises Conflict `payment_open` where its
    card is being charged.
    """
    seen = command.seen
    if session.read.lock_order(seen.order_number):
        raise payment_open(seen.payment_id)
    payment = session.load(PaymentOrder, seen.payment_id)
    page = payment.form_url or None
    if (payment.order_number, page) != (seen.order_number, seen.form_url) or not payment.is_open:
        return
    fail_payment(session, FailPayment(payment_id=payment.id, reason=command.because))
    if command.keeps_polling:
        now = session.now
        session.read.polls.put(payment.id, now, 0, now + POLL_AFTER[0], "replaced")


def record_absence(session: Session, command: RecordAbsence) -> bool:
    """Fail a payment that the acquirer does not know; False while it may still be registered."""
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.order_number != command.order_number:
        return False
    row = session.read.payment(command.payment_id)
    if payment.state is not State.CREATED or session.now < row["created_at"] + SESSION:
        payment.doubt()
        return False
    fail_payment(session, FailPayment(payment_id=payment.id, reason=Failure.NOT_REGISTERED))
    return True


def post_line(session: Session, command: PostLine) -> None:
    """Record the ledger's posting; ignore one of a payment from elsewhere (a bank register)."""
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.state is State.NONE:
        return
    if command.moved_from:
        payment.move_line(command.moved_from, command.account, command.position)
    else:
        payment.post_line(command.account, command.position)


def reverse_line(session: Session, command: PostLine) -> None:
    """Record that staff reversed a line in the ledger."""
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.state is not State.NONE:
        payment.reverse_line(command.account, command.position)


def post_refund(session: Session, command: PostRefund) -> None:
    """Record that the ledger has taken a refund back."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.post_refund(command.refund_id, command.account, command.position)
