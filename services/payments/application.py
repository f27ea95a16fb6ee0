"""Use cases of payments: each one transaction, each harmless when repeated.

Asking the acquirer happens outside, in `checkout` and `settlement`: its answer comes in here as a
command.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments.domain import Failure, Line, PaymentOrder, State
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session
from shared.money import Kopecks

#: How long a person has on the acquirer's page.
SESSION: Final = timedelta(minutes=20)

_SESSION_OVER: Final = SESSION + timedelta(seconds=30)

#: When the acquirer is asked about an unknown outcome, counted from the moment when it became
#: unknown. The fourth time is just after the end of the session, when the acquirer is sure.
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
    """Begin a payment; `lines` as the person entered them, in kopecks."""

    payment_id: UUID
    person_id: UUID
    lines: tuple[Line, ...]


class NoteRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer took the order and gave the address of its page."""

    payment_id: UUID
    acquirer_order_id: str
    form_url: str


class CapturePayment(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports the charge of `amount`; without `captured_at` it was just now."""

    payment_id: UUID
    amount: Kopecks
    captured_at: datetime | None
    masked_card: str | None


class FailPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer reports that the payment will not come."""

    payment_id: UUID
    reason: Failure


class LoseForm(msgspec.Struct, frozen=True, kw_only=True):
    """The order is registered, but the address of its page is lost."""

    payment_id: UUID


class NoteAbsence(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer does not know the order."""

    payment_id: UUID


class PostLine(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger posted one account's line at `position` of its log."""

    payment_id: UUID
    account: str
    position: int


class NotePoll(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer was asked by schedule, and its answer decided nothing."""

    payment_id: UUID
    outcome: str


class OwnPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Look at one payment of one's own."""

    person_id: UUID
    payment_id: UUID


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a person's payments; `before` is the cursor of an earlier page."""

    person_id: UUID
    before: str | None
    limit: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to go on with a payment."""

    payment_id: UUID
    order_number: str
    acquirer_order_id: str | None
    form_url: str | None
    state: State
    total: Kopecks
    created_at: datetime


def start_payment(session: Session, command: StartPayment) -> dict[str, Any]:
    """Freeze the split: {payment_id, order_number, total}."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.start(command.person_id, command.lines)
    session.read.polls.put(payment.id, session.now, 0, session.now + POLL_AFTER[0], "started")
    return {
        "payment_id": str(payment.id),
        "order_number": payment.order_number,
        "total": payment.total,
    }


def note_registered(session: Session, command: NoteRegistered) -> None:
    """Keep where the person pays. Raises Conflict when the payment failed meanwhile."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.note_registered(command.acquirer_order_id, command.form_url)


def capture_payment(session: Session, command: CapturePayment) -> None:
    """Note the charge; the day of payment is the business day of the acquirer's time.

    An acquirer's clock that runs ahead does not make a payment of tomorrow.
    Raises Conflict `amount_mismatch`.
    """
    captured_at = min(command.captured_at or session.now, session.now)
    session.load(PaymentOrder, command.payment_id).capture(
        command.amount, captured_at, session.clock.day_of(captured_at), command.masked_card
    )
    session.read.polls.remove(command.payment_id)


def fail_payment(session: Session, command: FailPayment) -> None:
    """Note that the payment will not come, and stop asking.

    After a refusal of the card the acquirer is asked once more when the session is over: some
    banks let the person try another card on the same page.
    """
    session.load(PaymentOrder, command.payment_id).fail(command.reason)
    row = session.read.payment(command.payment_id)
    over = row["created_at"] + _SESSION_OVER
    if command.reason is Failure.DECLINED and session.now < over:
        asked = POLL_AFTER.index(_SESSION_OVER)
        session.read.polls.put(command.payment_id, row["created_at"], asked, over, "declined")
    else:
        session.read.polls.remove(command.payment_id)


def lose_form(session: Session, command: LoseForm) -> None:
    """Give up an order whose page nobody can reach.

    The acquirer is still asked until it closes the order: should money come in spite of all, it
    is credited.
    """
    session.load(PaymentOrder, command.payment_id).lose_form()


def note_absence(session: Session, command: NoteAbsence) -> bool:
    """Fail a payment that the acquirer never heard of; False while it may yet be registered."""
    payment = session.load(PaymentOrder, command.payment_id)
    row = session.read.payment(command.payment_id)
    if payment.state is not State.CREATED or session.now < row["created_at"] + SESSION:
        return False
    fail_payment(session, FailPayment(payment_id=payment.id, reason=Failure.NOT_REGISTERED))
    return True


def post_line(session: Session, command: PostLine) -> None:
    """Note the ledger's posting; a payment that is not ours (from a bank's register) is passed."""
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.state is not State.NONE:
        payment.post_line(command.account, command.position)


def due_polls(session: Session, limit: int) -> list[Standing]:
    """The payments to ask the acquirer about now, the longest overdue first."""
    return [_standing(row) for row in session.read.polls.due(session.now, limit)]


def note_poll(session: Session, command: NotePoll) -> None:
    """Choose the time of the next question; after the last there is none, and staff decide."""
    poll = session.read.polls.find(command.payment_id)
    if poll is None:
        return
    attempts = poll["attempts"] + 1
    due_at = _due_at(poll["since"], attempts, session.now)
    session.read.polls.put(command.payment_id, poll["since"], attempts, due_at, command.outcome)


def poll_anew(session: Session, command: NotePoll) -> None:
    """The outcome became unknown just now: begin the schedule again."""
    if session.read.polls.find(command.payment_id) is not None:
        due_at = session.now + POLL_AFTER[0]
        session.read.polls.put(command.payment_id, session.now, 0, due_at, command.outcome)


def note_outcome(session: Session, command: NotePoll) -> None:
    """Keep an answer that decided nothing; the schedule goes on as it was."""
    session.read.polls.note(command.payment_id, command.outcome)


def standing(session: Session, payment_id: UUID) -> Standing | None:
    """How a payment stands; None when there is no such payment."""
    row = session.read.payment(payment_id)
    return _standing(row) if row else None


def standing_by_number(session: Session, order_number: str) -> Standing | None:
    """How the payment with an order number stands; None when the number is not ours."""
    row = session.read.payment_by_number(order_number)
    return _standing(row) if row else None


def own_standing(session: Session, query: OwnPayment) -> Standing:
    """How a person's own payment stands. Raises NotFound for everybody else's."""
    return _standing(_own_row(session, query))


def own_payment(session: Session, query: OwnPayment) -> dict[str, Any]:
    """{payment_id, state, total, lines, created_at, captured_at, masked_card, failure,
    outcome, next_check_at, redirect_url}.

    The last three say how an undecided payment goes on: `outcome` is `pending`, `unknown` or
    `mismatch`; they are None where they say nothing.
    """
    row = _own_row(session, query)
    return _view(row, session.read.lines([query.payment_id]))


def history(session: Session, query: History) -> dict[str, Any]:
    """{payments: [as `own_payment`], next: cursor|None}, the newest first.

    Raises ValidationFailed `invalid_cursor`.
    """
    before = _position(query.before) if query.before is not None else None
    rows = session.read.payments_of(query.person_id, before, query.limit + 1)
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


def _standing(row: dict[str, Any]) -> Standing:
    return Standing(
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
    """The next time of the schedule that is not past: after an outage none are made up for."""
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
