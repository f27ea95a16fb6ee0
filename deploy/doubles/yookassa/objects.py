"""The objects of the API: payments, refunds and errors, as JSON."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

PENDING: Final = "pending"
WAITING_FOR_CAPTURE: Final = "waiting_for_capture"
SUCCEEDED: Final = "succeeded"
CANCELED: Final = "canceled"


class RefusedError(Exception):
    """What the API refuses; it becomes an error object."""

    def __init__(self, status: int, code: str, description: str, parameter: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.status = status
        self.code = code
        self.description = description
        self.parameter = parameter


def invalid(description: str, parameter: str = "") -> RefusedError:
    """Return the refusal of a request that breaks the rules of the API."""
    return RefusedError(400, "invalid_request", description, parameter)


def absent(what: str) -> RefusedError:
    """Return the refusal of a request for something that does not exist."""
    return RefusedError(404, "not_found", f"{what} doesn't exist or access denied")


@dataclass(frozen=True)
class Payment:
    """One payment; the fields are the columns of the table, amounts in kopecks."""

    place: int
    payment_id: str
    amount: int
    refunded: int
    status: str
    party: str
    reason: str
    capture: int
    description: str
    metadata: str
    return_url: str
    created_at: int
    expires_at: int
    captured_at: int | None
    masked_pan: str | None
    code_asked: int
    code_attempts: int

    @property
    def awaits_code(self) -> bool:
        return self.status == PENDING and bool(self.code_asked)

    @property
    def order_number(self) -> str:
        """What the shop calls the payment, in its metadata."""
        return str(json.loads(self.metadata).get("order_number", ""))


@dataclass(frozen=True)
class Refund:
    """One refund; the fields are the columns of the table."""

    place: int
    refund_id: str
    payment_id: str
    amount: int
    status: str
    description: str
    created_at: int
    due_at: int | None


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000


def describe_payment(payment: Payment, base_url: str) -> dict[str, Any]:
    """Return a payment object."""
    taken = payment.status in {WAITING_FOR_CAPTURE, SUCCEEDED}
    described: dict[str, Any] = {
        "id": payment.payment_id,
        "status": payment.status,
        "paid": taken,
        "amount": money(payment.amount),
        "created_at": instant(payment.created_at),
        "description": payment.description,
        "metadata": json.loads(payment.metadata),
        "recipient": {"account_id": "100500", "gateway_id": "100700"},
        "refundable": payment.status == SUCCEEDED and payment.refunded < payment.amount,
        "test": True,
    }
    if payment.status == PENDING:
        described["confirmation"] = {
            "type": "redirect",
            "confirmation_url": f"{base_url}/payment-confirm/card?orderId={payment.payment_id}",
        }
    if payment.status == WAITING_FOR_CAPTURE:
        described["expires_at"] = instant(payment.expires_at)
    if payment.captured_at is not None:
        described["captured_at"] = instant(payment.captured_at)
        described["refunded_amount"] = money(payment.refunded)
    if payment.reason:
        described["cancellation_details"] = {"party": payment.party, "reason": payment.reason}
    if payment.masked_pan:
        first, _, last = payment.masked_pan.partition("**")
        described["payment_method"] = {
            "type": "bank_card",
            "id": payment.payment_id,
            "saved": False,
            "title": f"Bank card *{last}",
            "card": {"first6": first, "last4": last, "card_type": "Visa", "issuer_country": "RU"},
        }
    return described


def describe_refund(refund: Refund) -> dict[str, Any]:
    """Return a refund object."""
    return {
        "id": refund.refund_id,
        "payment_id": refund.payment_id,
        "status": refund.status,
        "amount": money(refund.amount),
        "created_at": instant(refund.created_at),
        "description": refund.description,
    }


def describe_error(refusal: RefusedError) -> dict[str, Any]:
    """Return an error object."""
    described = {
        "type": "error",
        "id": str(uuid.uuid4()),
        "code": refusal.code,
        "description": refusal.description,
    }
    return described | ({"parameter": refusal.parameter} if refusal.parameter else {})


def money(kopecks: int) -> dict[str, str]:
    """Return a sum as the API writes it."""
    return {"value": f"{kopecks // 100}.{kopecks % 100:02d}", "currency": "RUB"}


def instant(milliseconds: int) -> str:
    """Return an instant as the API writes it: ISO 8601, in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
