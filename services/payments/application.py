"""Use cases of payments: each one transaction, each harmless when repeated.

Calls to the acquirer are made in `checkout` and `polling`; their results come in here as commands.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments.domain import Line, PaymentOrder, State
from shared.contracts.payments import Failure
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session
from shared.money import Kopecks

#: How long the payer has on the acquirer's page.
SESSION: Final = timedelta(minutes=20)

_SESSION_OVER: Final = SESSION + timedelta(seconds=30)

#: When the acquirer is polled, counted from the moment when the outcome became unknown. The fourth
#: poll is just after the end of the session, when the acquirer's report is final.
POLL_AFTER: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    _SESSION_OVER,
    timedelta(hours=1),
    *(timedelta(days=day) for day in range(1, 6)),
)


_OUTCOMES: Final = {"unknown": "unknown", "absent": "unknown", "mismatch": "mismatch"}


class StartPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Start a payment; `lines` as the payer entered them, in kopecks."""

    payment_id: UUID
    person_id: UUID
    lines: tuple[Line, ...]


class RecordRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer accepted the order; the payer enters the card at `form_url`."""

    payment_id: UUID
    acquirer_order_id: str
    form_url: str


class CapturePayment(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports a charge of `amount`; `captured_at` None means now."""

    payment_id: UUID
    amount: Kopecks
    captured_at: datetime | None
    masked_card: str | None


class FailPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports that the payment failed."""

    payment_id: UUID
    reason: Failure


class AbandonOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The order is registered, but the address of its page is lost."""

    payment_id: UUID


class RecordAbsence(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer does not know the order."""

    payment_id: UUID


class PostLine(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger posted the line of one account at `position` of its log."""

    payment_id: UUID
    account: str
    position: int


class RecordPoll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll or a registration left the outcome open; `outcome` says why, for staff."""

    payment_id: UUID
    outcome: str


class OwnPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment of a person."""

    person_id: UUID
    payment_id: UUID


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a person's payments; `before` is the cursor of an earlier page.

    Optionally only those with an account, and those started from `since` to before `until`.
    """

    person_id: UUID
    before: str | None
    limit: int
    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class PaymentSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that checkout and polling need of a payment."""

    payment_id: UUID
    order_number: str
    acquirer_order_id: str | None
    form_url: str | None
    state: State
    total: Kopecks
    created_at: datetime


def start_payment(session: Session, command: StartPayment) -> dict[str, Any]:
    """Freeze the split; return {payment_id, order_number, total}."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.start(command.person_id, command.lines)
    session.read.polls.put(payment.id, session.now, 0, session.now + POLL_AFTER[0], "started")
    return {
        "payment_id": str(payment.id),
        "order_number": payment.order_number,
        "total": payment.total,
    }


def record_registration(session: Session, command: RecordRegistration) -> None:
    """Keep the address of the page. Raises Conflict when the payment has failed in the meantime."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.record_registration(command.acquirer_order_id, command.form_url)


def capture_payment(session: Session, command: CapturePayment) -> None:
    """Record the charge; the day of payment is the business day of the acquirer's time.

    An acquirer's clock that runs ahead never dates a payment in the future.
    Raises Conflict `amount_mismatch`.
    """
    captured_at = min(command.captured_at or session.now, session.now)
    session.load(PaymentOrder, command.payment_id).capture(
        command.amount, captured_at, session.clock.day_of(captured_at), command.masked_card
    )
    session.read.polls.remove(command.payment_id)


def fail_payment(session: Session, command: FailPayment) -> None:
    """Record that the payment failed, and stop polling.

    After a declined card the acquirer is polled once more when the session is over: some banks let
    the payer try another card on the same page.
    """
    session.load(PaymentOrder, command.payment_id).fail(command.reason)
    row = session.read.payment(command.payment_id)
    due_at = row["created_at"] + _SESSION_OVER
    if command.reason is Failure.DECLINED and session.now < due_at:
        attempts = POLL_AFTER.index(_SESSION_OVER)
        session.read.polls.put(command.payment_id, row["created_at"], attempts, due_at, "declined")
    else:
        session.read.polls.remove(command.payment_id)


def abandon_order(session: Session, command: AbandonOrder) -> None:
    """Give up an order whose page nobody can reach.

    Polling goes on until the acquirer closes the order: money that comes after all is credited.
    """
    session.load(PaymentOrder, command.payment_id).abandon()


def record_absence(session: Session, command: RecordAbsence) -> bool:
    """Fail a payment that the acquirer does not know; False while it may still be registered."""
    payment = session.load(PaymentOrder, command.payment_id)
    row = session.read.payment(command.payment_id)
    if payment.state is not State.CREATED or session.now < row["created_at"] + SESSION:
        return False
    fail_payment(session, FailPayment(payment_id=payment.id, reason=Failure.NOT_REGISTERED))
    return True


def post_line(session: Session, command: PostLine) -> None:
    """Record the ledger's posting; ignore one of a payment from elsewhere (a bank register)."""
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.state is not State.NONE:
        payment.post_line(command.account, command.position)


def due_polls(session: Session, limit: int) -> list[PaymentSnapshot]:
    """Return the payments to poll now, the longest overdue first."""
    return [_snapshot(row) for row in session.read.polls.due(session.now, limit)]


def postpone_poll(session: Session, command: RecordPoll) -> None:
    """Set the time of the next poll; after the last one there is none, and staff decide."""
    poll = session.read.polls.find(command.payment_id)
    if poll is None:
        return
    attempts = poll["attempts"] + 1
    due_at = _due_at(poll["since"], attempts, session.now)
    session.read.polls.put(command.payment_id, poll["since"], attempts, due_at, command.outcome)


def restart_polling(session: Session, command: RecordPoll) -> None:
    """Start the schedule again: the outcome has just become unknown."""
    if session.read.polls.find(command.payment_id) is not None:
        due_at = session.now + POLL_AFTER[0]
        session.read.polls.put(command.payment_id, session.now, 0, due_at, command.outcome)


def record_outcome(session: Session, command: RecordPoll) -> None:
    """Keep the outcome of a poll that decided nothing; the schedule goes on as it was."""
    session.read.polls.record_outcome(command.payment_id, command.outcome)


def snapshot(session: Session, payment_id: UUID) -> PaymentSnapshot | None:
    """Return a payment; None when there is no such payment."""
    row = session.read.payment(payment_id)
    return _snapshot(row) if row else None


def snapshot_by_number(session: Session, order_number: str) -> PaymentSnapshot | None:
    """Return the payment with an order number; None when the number is not ours."""
    row = session.read.payment_by_number(order_number)
    return _snapshot(row) if row else None


def own_snapshot(session: Session, query: OwnPayment) -> PaymentSnapshot:
    """Return a person's own payment. Raises NotFound for anybody else's."""
    return _snapshot(_own_row(session, query))


def own_payment(session: Session, query: OwnPayment) -> dict[str, Any]:
    """Return {payment_id, state, total, lines, created_at, captured_at, masked_card, failure,
    outcome, next_check_at, redirect_url}.

    The last three are those of an undecided payment, else None; `outcome` is `pending`, `unknown`
    or `mismatch`.
    """
    row = _own_row(session, query)
    return _view(row, session.read.lines([query.payment_id]))


def history(session: Session, query: History) -> dict[str, Any]:
    """Return {payments: [as `own_payment`], next: cursor|None}, the newest first.

    Raises ValidationFailed `invalid_cursor`.
    """
    before = _position(query.before) if query.before is not None else None
    rows = session.read.payments_of(
        query.person_id,
        before,
        query.limit + 1,
        account=query.account,
        since=query.since,
        until=query.until,
    )
    page = rows[: query.limit]
    lines = session.read.lines([row["payment_id"] for row in page])
    return {
        "payments": [_view(row, lines) for row in page],
        "next": _cursor(page[-1]["position"]) if len(rows) > len(page) else None,
    }


def _own_row(session: Session, query: OwnPayment) -> dict[str, Any]:
    row: dict[str, Any] | None = session.read.payment(query.payment_id)
    if row is None or row["person_id"] != query.person_id:
        raise NotFound("payment_not_found", "There is no such payment among your payments.")
    return row


def _snapshot(row: dict[str, Any]) -> PaymentSnapshot:
    return PaymentSnapshot(
        payment_id=row["payment_id"],
        order_number=row["order_number"],
        acquirer_order_id=row["acquirer_order_id"],
        form_url=row["form_url"],
        state=State(row["state"]),
        total=row["total"],
        created_at=row["created_at"],
    )


def _view(row: dict[str, Any], lines: dict[UUID, list[dict[str, Any]]]) -> dict[str, Any]:
    captured_at = row["captured_at"]
    return {
        "payment_id": str(row["payment_id"]),
        "state": row["state"],
        "total": row["total"],
        "lines": lines.get(row["payment_id"], []),
        "created_at": row["created_at"].isoformat(),
        "captured_at": captured_at.isoformat() if captured_at else None,
        "masked_card": row["masked_card"],
        "failure": row["failure"],
        **_outlook(row),
    }


def _outlook(row: dict[str, Any]) -> dict[str, Any]:
    """Return how a payment goes on while the acquirer has not decided it."""
    state, next_check_at = State(row["state"]), row["next_check_at"]
    undecided = state in {State.CREATED, State.AWAITING_PAYMENT}
    return {
        "outcome": _OUTCOMES.get(row["outcome"], "pending") if undecided else None,
        "next_check_at": next_check_at.isoformat() if undecided and next_check_at else None,
        "redirect_url": row["form_url"] if state is State.AWAITING_PAYMENT else None,
    }


def _due_at(since: datetime, attempts: int, now: datetime) -> datetime | None:
    """Return the next time of the schedule; polls missed during an outage are not made up for."""
    for after in POLL_AFTER[attempts:]:
        if since + after > now:
            return since + after
    return None


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(b"p%d" % position).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not (text.startswith("p") and text[1:].isdecimal() and len(text) <= 19):
        raise ValidationFailed(
            "invalid_cursor", "Take the cursor from the previous page as it is.", field="before"
        )
    return int(text[1:])
