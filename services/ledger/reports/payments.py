"""Payments in the ledger, found by what somebody knows of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, TypeAlias, cast
from uuid import UUID

import msgspec

from services.ledger.domain import EVENTS, account_id
from services.ledger.domain.events import PaymentPosted, PaymentRefunded
from shared.errors import NotFound, ValidationFailed
from shared.eventstore import Session
from shared.money import Kopecks

SHORTEST_PART = 4
_PART = re.compile(r"[0-9a-f-]{4,36}")


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a payment; ``part`` is its id, or some digits of it that stand together.

    ``amount`` is the sum of its line for the account: with the penalty, or without.
    """

    part: str = ""
    account: str | None = None
    paid_on: date | None = None
    amount: Kopecks | None = None

    def check(self) -> None:
        """Raise ValidationFailed for nothing, and for what is no part of an id."""
        if not (self.part or self.account or self.paid_on or self.amount is not None):
            raise ValidationFailed(
                "nothing_sought", "Give an id or a part of it, an account, a day or a sum."
            )
        if self.part and not _PART.fullmatch(self.part):
            raise ValidationFailed(
                "invalid_payment_id",
                f"A part of a payment's id is {SHORTEST_PART} or more of 0-9, a-f and hyphens.",
            )

    def fits(self, event: PaymentPosted) -> bool:
        """Return whether a payment is what is sought."""
        return (
            self.part in str(event.payment_id)
            and self.account in (None, event.account)
            and self.paid_on in (None, event.effective_on)
            and self.amount in (None, event.amount, event.amount + event.penalty)
        )


def find_payments(session: Session, sought: Sought, limit: int) -> dict[str, Any]:
    """Return the newest ``limit`` postings that fit; ``more``: there are others.

    Each has what it has paid (``allocation``), who posted it, its ``refunds``, and its reversal, if
    any. Raises ValidationFailed ``nothing_sought`` and ``invalid_payment_id``, NotFound
    ``account_not_found``.
    """
    sought.check()
    find = _payments_of if sought.account else _payments_of_all
    page = find(session, sought, limit + 1)
    taken_back = _taken_back(session, page[:limit])
    return {
        "payments": [_described(one, taken_back) for one in page[:limit]],
        "more": len(page) > limit,
    }


def _payments_of(session: Session, sought: Sought, limit: int) -> list[Mapping[str, Any]]:
    number = str(sought.account)
    if session.read.balance(number) is None:
        raise NotFound(
            "account_not_found", "There is no such account in the ledger.", account=number
        )
    rows = session.read.payments_of(account_id(number))
    return list(islice((row for row in rows if sought.fits(_event(row))), limit))


def _payments_of_all(session: Session, sought: Sought, limit: int) -> list[Mapping[str, Any]]:
    day, since = sought.paid_on, None
    if day is not None:
        # It is recorded on its day or later, or the day before: in another zone the day had begun.
        since = datetime.combine(day, time(), UTC) - timedelta(days=2)
    found: list[Mapping[str, Any]] = session.read.payments_sought(
        sought.part, sought.amount, day, since, limit
    )
    return found


TakenBack: TypeAlias = Mapping[tuple[UUID, str], Sequence[Mapping[str, Any]]]


def _taken_back(session: Session, payments: Sequence[Mapping[str, Any]]) -> TakenBack:
    """Return the refunds and reversals of payments by payment and account."""
    found: dict[tuple[UUID, str], list[Mapping[str, Any]]] = {}
    for row in session.read.taken_back_in({row["originator_id"] for row in payments}):
        event: Any = EVENTS.decode(row["topic"], bytes(row["state"]))
        about = {
            "position": row["position"],
            "effective_on": event.effective_on.isoformat(),
            "recorded_at": row["recorded_at"].isoformat(),
            "actor": row["actor"],
        }
        if isinstance(event, PaymentRefunded):
            about |= {"refund_id": str(event.refund_id), "amount": event.amount}
        else:
            about |= {"reason": event.reason, "moved_to": event.moved_to or None}
        found.setdefault((event.payment_id, event.account), []).append(about)
    return found


def _described(row: Mapping[str, Any], taken_back: TakenBack) -> dict[str, Any]:
    event = _event(row)
    back = taken_back.get((event.payment_id, event.account), ())
    taken = event.taken
    return {
        "payment_id": str(event.payment_id),
        "account": event.account,
        "paid_on": event.effective_on.isoformat(),
        "recorded_at": row["recorded_at"].isoformat(),
        "position": row["position"],
        "actor": row["actor"],
        "amount": event.amount,
        "penalty": event.penalty,
        "allocation": msgspec.to_builtins(list(event.allocation)),
        "penalty_allocated": event.penalty_allocated,
        "advance": event.advance,
        "place": taken.place if taken else None,
        "document": taken.document if taken else "",
        "reason": taken.reason if taken else "",
        "moved_from": event.moved_from or None,
        "refunds": [one for one in back if "refund_id" in one],
        "reversed": next((one for one in back if "refund_id" not in one), None),
    }


def _event(row: Mapping[str, Any]) -> PaymentPosted:
    event: Any = EVENTS.decode(row["topic"], bytes(row["state"]))
    return cast(PaymentPosted, event)
