"""The protocol of ATOL Online, version 5 (ФФД 1.2), which other registrars speak, too.

A receipt is handed over by `sell` or `sell_refund` and has a `uuid` from then on; what has become
of it is asked by `report`. The `external_id` is ours: the second receipt of the same is refused
with error 33, which names the uuid of the first.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import requests

from services.payments.fiscal import (
    Accepted,
    FiscalRegistrar,
    NewReceipt,
    Outcome,
    Refused,
    Registered,
    UnknownOutcome,
)
from services.payments.fiscal.receipts import (
    MEASURE,
    QUANTITY,
    SUBJECT_CODES,
    Position,
    ReceiptKind,
)
from shared.fiscal_settings import FiscalSettings
from shared.money import Kopecks

#: Seconds to connect, and to wait for the response.
TIMEOUTS: Final = (3.05, 10.0)

_KNOWN_ALREADY: Final = 33
_TOKEN_REFUSED: Final = frozenset({10, 11})
_CASHLESS: Final = 1
_MOMENT: Final = "%d.%m.%Y %H:%M:%S"
_OPERATIONS: Final = {ReceiptKind.INCOME: "sell", ReceiptKind.INCOME_RETURN: "sell_refund"}

T = TypeVar("T")


class _Error(msgspec.Struct):
    code: int
    text: str = ""
    type: str = ""


class _Token(msgspec.Struct):
    token: str = ""
    error: _Error | None = None


class _Taken(msgspec.Struct):
    uuid: str | None = None
    error: _Error | None = None


class _Payload(msgspec.Struct):
    fn_number: str
    fiscal_document_number: int
    fiscal_document_attribute: int
    receipt_datetime: str
    ecr_registration_number: str
    ofd_receipt_url: str = ""


class _Report(msgspec.Struct):
    status: str = ""
    payload: _Payload | None = None
    error: _Error | None = None


def connect(settings: FiscalSettings, zone: ZoneInfo) -> FiscalRegistrar:
    """Return the registrar of these settings."""
    return AtolRegistrar(settings, zone)


class AtolRegistrar:
    """A registrar that speaks this protocol, reached over HTTP."""

    def __init__(self, settings: FiscalSettings, zone: ZoneInfo) -> None:
        self._settings = settings
        self._zone = zone
        self._lock = threading.Lock()
        self._token = ""

    def register(self, receipt: NewReceipt) -> Outcome:
        """Call `sell` or `sell_refund`."""
        taken = self._call(_OPERATIONS[receipt.kind], _Taken, self._body(receipt))
        if isinstance(taken, UnknownOutcome):
            return taken
        if taken.uuid and (taken.error is None or taken.error.code == _KNOWN_ALREADY):
            return Accepted(taken.uuid)
        return _not_taken(taken.error)

    def find(self, reference: str) -> Outcome:
        """Call `report`."""
        report = self._call(f"report/{reference}", _Report)
        if isinstance(report, UnknownOutcome):
            return report
        if report.status == "wait":
            return Accepted(reference)
        if report.status == "done" and report.payload is not None:
            return self._registered(report.payload)
        if report.status == "fail":
            return Refused(_reason(report.error))
        return UnknownOutcome(_reason(report.error))

    def _registered(self, payload: _Payload) -> Outcome:
        try:
            issued_at = datetime.strptime(payload.receipt_datetime, _MOMENT).replace(
                tzinfo=self._zone
            )
        except ValueError:
            return UnknownOutcome("the time of the receipt cannot be read")
        return Registered(
            drive=payload.fn_number,
            document=str(payload.fiscal_document_number),
            sign=str(payload.fiscal_document_attribute),
            register=payload.ecr_registration_number,
            issued_at=issued_at,
            url=payload.ofd_receipt_url,
        )

    def _body(self, receipt: NewReceipt) -> dict[str, Any]:
        settings = self._settings
        return {
            "timestamp": f"{receipt.requested_at.astimezone(self._zone):{_MOMENT}}",
            "external_id": receipt.external_id,
            "receipt": {
                "client": {"email": receipt.buyer},
                "company": {
                    "email": settings.email,
                    "sno": receipt.taxation,
                    "inn": receipt.seller.inn,
                    "payment_address": receipt.seller.place,
                },
                "items": [_item(position) for position in receipt.positions],
                "payments": [{"type": _CASHLESS, "sum": _roubles(receipt.total)}],
                "total": _roubles(receipt.total),
            },
        }

    def _call(
        self, path: str, shape: type[T], body: dict[str, Any] | None = None
    ) -> T | UnknownOutcome:
        """Make a call; a token that has had its time is asked for again, once."""
        for fresh in (False, True):
            token = self._signed_in(fresh=fresh)
            if isinstance(token, UnknownOutcome):
                return token
            group = self._settings.group
            answer = self._exchange(f"{group}/{path}", shape, body, {"Token": token})
            error = getattr(answer, "error", None)
            if error is None or error.code not in _TOKEN_REFUSED:
                return answer
        return UnknownOutcome("the token is refused")

    def _signed_in(self, *, fresh: bool) -> str | UnknownOutcome:
        with self._lock:
            if fresh or not self._token:
                body = {"login": self._settings.user, "pass": self._settings.password}
                answer = self._exchange("getToken", _Token, body, {})
                if isinstance(answer, UnknownOutcome):
                    return answer
                if not answer.token:
                    return UnknownOutcome("the credentials are refused")
                self._token = answer.token
            return self._token

    def _exchange(
        self, path: str, shape: type[T], body: dict[str, Any] | None, headers: dict[str, str]
    ) -> T | UnknownOutcome:
        url = f"{self._settings.url}/possystem/v5/{path}"
        try:
            response = requests.request(
                "GET" if body is None else "POST",
                url,
                json=body,
                headers=headers,
                timeout=TIMEOUTS,
                allow_redirects=False,
            )
            if response.status_code >= 500:
                return UnknownOutcome(f"HTTP {response.status_code}")
            return msgspec.json.decode(response.content, type=shape)
        except (requests.RequestException, msgspec.MsgspecError) as error:
            # Without its text, which may quote the body.
            return UnknownOutcome(type(error).__name__)


def _not_taken(error: _Error | None) -> Outcome:
    """Return why a receipt was not taken: a fault of the system passes, others stay."""
    if error is None or error.type == "system":
        return UnknownOutcome(_reason(error))
    return Refused(_reason(error))


def _reason(error: _Error | None) -> str:
    return "no error is named" if error is None else f"{error.code} {error.text}".strip()[:200]


def _item(position: Position) -> dict[str, Any]:
    return {
        "name": position.name,
        "price": _roubles(position.amount),
        "quantity": QUANTITY,
        "measure": MEASURE,
        "sum": _roubles(position.amount),
        "payment_method": position.method,
        "payment_object": SUBJECT_CODES[position.subject],
        "vat": {"type": position.vat},
    }


def _roubles(amount: Kopecks) -> float:
    """Return a sum as the JSON of the protocol has it: roubles with two decimals."""
    return round(amount / 100, 2)
