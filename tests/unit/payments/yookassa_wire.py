"""YooKassa's end of the wire: recorded responses, and the requests that they answered."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

AUTHORIZATION = "Basic " + b64encode("506751:секрет".encode()).decode()

NOT_FOUND = (404, {"type": "error", "id": "e1", "code": "not_found", "description": "No"})
REFUSED = (
    400,
    {
        "type": "error",
        "id": "e2",
        "code": "invalid_request",
        "description": "Payment should be in the waiting_for_capture status",
    },
)

PENDING: dict[str, Any] = {
    "id": "23d93cac-000f-5000-8000-126628f15141",
    "status": "pending",
    "paid": False,
    "amount": {"value": "4500.00", "currency": "RUB"},
    "confirmation": {
        "type": "redirect",
        "confirmation_url": "https://yoomoney.example/payment-confirm/epl?orderId=23d93cac",
    },
    "created_at": "2026-11-20T09:00:00.129Z",
    "description": "Оплата",
    "metadata": {"order_number": "n1"},
    "recipient": {"account_id": "506751", "gateway_id": "100700"},
    "refundable": False,
    "test": False,
}
"""A payment as the reference shows it, with members that nobody here reads."""

_SHOWN = {key: value for key, value in PENDING.items() if key != "confirmation"}
HELD = _SHOWN | {
    "status": "waiting_for_capture",
    "paid": True,
    "expires_at": "2026-11-27T09:01:00.000Z",
    "payment_method": {
        "type": "bank_card",
        "id": "23d93cac",
        "saved": False,
        "card": {"first6": "411111", "last4": "1111", "expiry_month": "12", "card_type": "Visa"},
    },
}
SUCCEEDED = HELD | {
    "status": "succeeded",
    "captured_at": "2026-11-20T09:02:03.456Z",
    "refunded_amount": {"value": "0.00", "currency": "RUB"},
    "income_amount": {"value": "4387.50", "currency": "RUB"},
}
REFUND: dict[str, Any] = {
    "id": "216749f7-0016-50be-b000-078d43a63ae4",
    "payment_id": PENDING["id"],
    "status": "succeeded",
    "created_at": "2026-11-21T09:00:00.000Z",
    "amount": {"value": "12.50", "currency": "RUB"},
}


def canceled(reason: str) -> dict[str, Any]:
    """Return a canceled payment."""
    details = {"party": "payment_network", "reason": reason}
    return _SHOWN | {"status": "canceled", "cancellation_details": details}


@dataclass(frozen=True)
class Sent:
    """A request that was answered."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str
    key: str
    body: Any


class Wire:
    """Answers requests in order with what is queued: (status, object or bytes)."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[Sent] = []
        self._answers: list[tuple[int, Any]] = []

    def answers(self, *answers: Any) -> None:
        """Queue responses: an object is one of HTTP 200."""
        self._answers += [one if isinstance(one, tuple) else (200, one) for one in answers]

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        address = urlsplit(request.path)
        self.sent.append(
            Sent(
                method=request.command,
                path=address.path,
                query=dict(parse_qsl(address.query)),
                authorization=request.headers.get("Authorization", ""),
                key=request.headers.get("Idempotence-Key", ""),
                body=json.loads(body) if body else None,
            )
        )
        status, answer = self._answers.pop(0)
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def forget(self) -> None:
        """Forget what was sent and what was to be answered."""
        self.sent, self._answers = [], []

    @property
    def calls(self) -> list[str]:
        return [f"{sent.method} {sent.path}" for sent in self.sent]
