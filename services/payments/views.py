"""What a person is shown of his payments: one of them, and their history."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments.scheduling import CALLBACK_PAUSE, SESSION
from services.payments.snapshots import PaymentSnapshot, snapshot_of
from services.payments.state import OPEN, State
from shared.account_key import number_of
from shared.errors import NotFound, Unavailable, ValidationFailed
from shared.eventstore import Session

_PAGE: Final = 500
_OUTCOMES: Final = {"unknown": "unknown", "absent": "unknown", "mismatch": "mismatch"}
_SHOWN_REFUNDS: Final = frozenset({"requested", "made", "refused"})


class OwnPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment of a person."""

    person_id: UUID
    payment_id: UUID


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a person's payments; `before` is the cursor of an earlier page.

    Optionally only those with an account, in some states, and those started from `since` to before
    `until`.
    """

    person_id: UUID
    before: str | None
    limit: int
    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: Sequence[str] | None = None


def known_payments(session: Session, payment_ids: Sequence[UUID]) -> list[str]:
    """Return which payments the ledger gets from this log, or will once it is recovered.

    Raises Unavailable ``log_not_searched`` while nobody knows what the log may have lost.
    """
    if not session.read.lost.is_searched():
        raise Unavailable(
            "log_not_searched", "What the log has lost is not known yet; try again in a moment."
        )
    texts = [str(payment_id) for payment_id in payment_ids]
    found = {str(row) for row in session.read.lines(payment_ids)}
    found |= {str(known) for known in session.read.registers.known(payment_ids)}
    return sorted(found | session.read.lost.subjects(texts))


def own_snapshot(session: Session, query: OwnPayment) -> PaymentSnapshot:
    """Return a person's own payment. Raises NotFound for anybody else's."""
    return snapshot_of(_own_row(session, query))


def own_payment(session: Session, query: OwnPayment) -> dict[str, Any]:
    """Return {payment_id, state, total, lines, created_at, captured_at, masked_card, failure,
    acquirer, refunded, refunds, charged, outcome, next_check_at, closes_at, redirect_url}.

    The last five are those of an undecided payment, else None; `outcome` is `pending`, `unknown`
    or `mismatch`, `charged` what the acquirer took in a mismatch, `closes_at` when the card can no
    longer be entered.
    """
    return _shown(session, _own_row(session, query))


def look_at_own(
    session: Session, query: OwnPayment
) -> tuple[dict[str, Any], PaymentSnapshot, bool]:
    """Return the same, the payment as `own_snapshot` does, and whether the acquirer was asked about
    its undecided order just now."""
    row = _own_row(session, query)
    payment, asked_at = snapshot_of(row), row["asked_at"]
    recently = asked_at is not None and asked_at >= session.now - CALLBACK_PAUSE
    return _shown(session, row), payment, payment.state in OPEN and recently


def _shown(session: Session, row: dict[str, Any]) -> dict[str, Any]:
    payment_id = row["payment_id"]
    refunds = session.read.refunds.of_payments([payment_id]) if row["has_refunds"] else {}
    return _view(row, {payment_id: row["lines"] or []}, refunds)


def history(session: Session, query: History) -> dict[str, Any]:
    """Return {payments: [as `own_payment`], next: cursor|None, totals}, the newest first.

    `totals` are {count, paid, refunded} of all pages. `recovering` is there, and true, while events
    that a restore took from the log may be missing. Raises ValidationFailed `invalid_cursor`.
    """
    before = _position(query.before) if query.before is not None else None
    chosen = {
        "account": query.account,
        "since": query.since,
        "until": query.until,
        "states": query.states,
    }
    rows = session.read.payments_of(query.person_id, before, query.limit + 1, **chosen)
    page = rows[: query.limit]
    found = [row["payment_id"] for row in page]
    lines, refunds = session.read.lines(found), session.read.refunds.of_payments(found)
    return {
        "payments": [_view(row, lines, refunds) for row in page],
        "next": _cursor(page[-1]["position"]) if len(rows) > len(page) else None,
        "totals": session.read.totals_of(query.person_id, **chosen),
        **({"recovering": True} if session.read.lost.is_open() else {}),
    }


def held_about(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {payments: [as `own_payment`]} of a person: all of them, the newest first.

    Accounts have their numbers alone: keys never leave the services.
    """
    payments: list[dict[str, Any]] = []
    before: str | None = None
    while True:
        page = history(session, History(person_id=person_id, before=before, limit=_PAGE))
        payments += [_without_keys(payment) for payment in page["payments"]]
        before = page["next"]
        if before is None:
            return {"payments": payments}


def _without_keys(payment: dict[str, Any]) -> dict[str, Any]:
    def numbered(one: dict[str, Any]) -> dict[str, Any]:
        lines = [
            {name: value for name, value in line.items() if name != "key"} for line in one["lines"]
        ]
        return {**one, "lines": lines}

    return {**numbered(payment), "refunds": [numbered(refund) for refund in payment["refunds"]]}


def _own_row(session: Session, query: OwnPayment) -> dict[str, Any]:
    row: dict[str, Any] | None = session.read.shown(query.payment_id)
    if row is None or row["person_id"] != query.person_id:
        raise NotFound("payment_not_found", "There is no such payment among your payments.")
    return row


def _view(
    row: dict[str, Any],
    lines: Mapping[UUID, list[dict[str, Any]]],
    refunds: Mapping[UUID, list[dict[str, Any]]],
) -> dict[str, Any]:
    captured_at = row["captured_at"]
    return {
        "payment_id": str(row["payment_id"]),
        "state": row["state"],
        "total": row["total"],
        "lines": _numbered(lines.get(row["payment_id"], ())),
        "created_at": row["created_at"].isoformat(),
        "captured_at": captured_at.isoformat() if captured_at else None,
        "masked_card": row["masked_card"],
        "failure": row["failure"],
        "acquirer": row["acquirer"],
        "refunded": row["refunded"],
        "refunds": [
            refund_view(refund)
            for refund in refunds.get(row["payment_id"], ())
            if refund["state"] in _SHOWN_REFUNDS
        ],
        **_outlook(row),
    }


def refund_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a refund as the payer is shown it."""
    returned_at = row["returned_at"]
    return {
        "refund_id": str(row["refund_id"]),
        "state": row["state"],
        "total": row["total"],
        "lines": _numbered(row["lines"]),
        "cause": row["cause"],
        "requested_at": row["requested_at"].isoformat(),
        "returned_at": returned_at.isoformat() if returned_at else None,
    }


def _numbered(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return lines with the numbers of their accounts, as people know them, beside the ``key``."""
    return [
        {
            **line,
            "key": line["account"],
            **{name: number_of(line[name]) for name in ("account", "moved_to") if line.get(name)},
        }
        for line in lines
    ]


def _outlook(row: dict[str, Any]) -> dict[str, Any]:
    """Return how a payment goes on while the acquirer has not decided it."""
    state, next_check_at = State(row["state"]), row["next_check_at"]
    undecided = state in OPEN
    outcome = _OUTCOMES.get(row["outcome"], "pending")
    if state in {State.UNKNOWN, State.MISMATCH}:
        outcome = state.value
    return {
        "charged": row["charged"] if state is State.MISMATCH else None,
        "outcome": outcome if undecided else None,
        "next_check_at": next_check_at.isoformat() if undecided and next_check_at else None,
        "closes_at": (row["created_at"] + SESSION).isoformat() if undecided else None,
        "redirect_url": row["form_url"] if state is State.AWAITING_PAYMENT else None,
    }


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
