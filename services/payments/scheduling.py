"""When acquirers are asked about payments: the schedule of polls, and what hastens them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.payments.domain import PaymentOrder
from services.payments.snapshots import PaymentSnapshot, snapshot_of
from services.payments.state import State
from shared.eventstore import Session

#: How long the payer has on the acquirer's page.
SESSION: Final = timedelta(minutes=20)

SESSION_OVER: Final = SESSION + timedelta(seconds=30)

#: When the acquirer is polled, counted from the moment when the outcome became unknown. The fourth
#: poll is just after the end of the session, when the acquirer's report is final; some acquirers
#: end it after an hour, whatever we ask for.
POLL_AFTER: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    SESSION_OVER,
    timedelta(hours=1),
    timedelta(minutes=70),
    *(timedelta(days=day) for day in range(1, 6)),
)

#: A charge of another sum is not left to lie: how often, and for how long, it is asked about.
MISMATCH_AGAIN: Final = timedelta(seconds=15)
MISMATCH_SOON: Final = timedelta(hours=1)

#: How often callbacks may have the acquirer asked about one order.
CALLBACK_PAUSE: Final = timedelta(seconds=2)


#: How long one process may take to register an order before another may try.
CLAIM: Final = timedelta(seconds=45)


class RecordPoll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll or a registration left the outcome open; `outcome` says why.

    What is known of an order says nothing of the payment once another one has taken its place.
    """

    payment_id: UUID
    outcome: str
    order_number: str = ""


def due_polls(session: Session, limit: int) -> list[PaymentSnapshot]:
    """Return the payments to poll now, the longest overdue first."""
    return [snapshot_of(row) for row in session.read.polls.due(session.now, limit)]


def postpone_poll(session: Session, command: RecordPoll) -> None:
    """Set the time of the next poll; after the last one there is none, and staff decide."""
    poll = session.read.polls.find(command.payment_id)
    if poll is None:
        return
    record_doubt(session, command)
    attempts = poll["attempts"] + 1
    next_at = due_at(poll["since"], attempts, session.now)
    claimed_until = poll["claimed_until"]
    if next_at is not None and claimed_until is not None and claimed_until > session.now:
        # Who is registering the order may have ended: the worker goes on once the claim is over.
        next_at = min(next_at, claimed_until)
    if session.load(PaymentOrder, command.payment_id).state is State.MISMATCH:
        next_at = mismatch_due_at(poll["since"], session.now)
    session.read.polls.put(command.payment_id, poll["since"], attempts, next_at, command.outcome)


def restart_polling(session: Session, command: RecordPoll) -> None:
    """Start the schedule again: the outcome has just become unknown."""
    record_doubt(session, command)
    if session.read.polls.find(command.payment_id) is not None:
        soon = session.now + POLL_AFTER[0]
        session.read.polls.put(command.payment_id, session.now, 0, soon, command.outcome)


def record_outcome(session: Session, command: RecordPoll) -> None:
    """Keep the outcome of a poll that decided nothing; the schedule goes on as it was."""
    record_doubt(session, command)
    session.read.polls.record_outcome(command.payment_id, command.outcome)


def record_doubt(session: Session, command: RecordPoll) -> None:
    """Record that the outcome is unknown, or that the payer has not finished after all."""
    payment = session.load(PaymentOrder, command.payment_id)
    if command.order_number not in {"", payment.order_number}:
        return
    if command.outcome in {"unknown", "absent"}:
        payment.doubt()
    elif command.outcome == "pending":
        payment.confirm_pending()


def ask_soon(session: Session, command: RecordPoll) -> None:
    """Have the acquirer asked again about a payment, also about one that is decided."""
    session.read.polls.ask_soon(command.payment_id, session.now + CALLBACK_PAUSE, command.outcome)


def may_ask(session: Session, order_number: str) -> bool:
    """Return whether a callback may have the acquirer asked now; it is asked soon otherwise."""
    return bool(session.read.may_ask(order_number, session.now, session.now - CALLBACK_PAUSE))


def settle_poll(session: Session, command: RecordPoll) -> None:
    """End the polls about a payment that is decided."""
    session.read.polls.remove(command.payment_id)


def mismatch_due_at(since: datetime, now: datetime) -> datetime | None:
    """Return when the acquirer is asked again about another sum than ordered: soon, for an hour."""
    return now + MISMATCH_AGAIN if now < since + MISMATCH_SOON else due_at(since, 0, now)


def due_at(since: datetime, attempts: int, now: datetime) -> datetime | None:
    """Return the next time of the schedule; polls missed during an outage are not made up for."""
    for after in POLL_AFTER[attempts:]:
        if since + after > now:
            return since + after
    return None


def claim_registration(session: Session, payment_id: UUID) -> datetime | None:
    """Return until when this call alone may register the order; None where another one does."""
    now = session.now
    return now + CLAIM if session.read.polls.claim(payment_id, now, now + CLAIM) else None


class EndClaim(msgspec.Struct, frozen=True, kw_only=True):
    """The claim until that instant is over: another process may register the order."""

    payment_id: UUID
    until: datetime


def end_claim(session: Session, command: EndClaim) -> None:
    """Let another process register the order."""
    session.read.polls.release(command.payment_id, command.until)
