"""The API v3: JSON in, objects out."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from deploy.doubles.fault_switch import ROUBLE
from deploy.doubles.yookassa.bodies import amount_of, new_payment_of, read_json, refund_of
from deploy.doubles.yookassa.database import Database
from deploy.doubles.yookassa.faults import Faults, FaultSwitch
from deploy.doubles.yookassa.keys import KeyedCall, remember_refusal
from deploy.doubles.yookassa.lists import Lists
from deploy.doubles.yookassa.objects import (
    PENDING,
    Payment,
    RefusedError,
    absent,
    describe_error,
    describe_payment,
    describe_refund,
    epoch_ms,
    invalid,
)
from deploy.doubles.yookassa.payments import NewRefund, Payments
from deploy.doubles.yookassa.settings import ShopSettings

_LONGEST_KEY: Final = 64


@dataclass(frozen=True)
class ApiRequest:
    """A call of the API, `path` below /v3."""

    method: str
    path: str
    user: str = ""
    password: str = field(default="", repr=False)
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def keyed(self) -> KeyedCall:
        """Return the call with its idempotence key; refuse it without one."""
        if not 1 <= len(self.key) <= _LONGEST_KEY:
            raise invalid("Idempotence key is required", "Idempotence-Key")
        return KeyedCall(self.key, sha256(self.path.encode() + b"\0" + self.body).hexdigest())


class Api:
    """The calls of a shop."""

    def __init__(
        self,
        payments: Payments,
        lists: Lists,
        settings: ShopSettings,
        faults: FaultSwitch,
        database: Database,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        self._payments = payments
        self._lists = lists
        self._settings = settings
        self._faults = faults
        self._database = database
        self._clock = clock
        # method, path below /v3, what its faults are called, call
        self._calls: list[tuple[str, str, str, Callable[..., dict[str, Any]]]] = [
            ("POST", r"payments", "register", self._create),
            ("GET", r"payments", "report", self._list_payments),
            ("GET", r"payments/([^/]+)", "status", self._show),
            ("POST", r"payments/([^/]+)/capture", "capture", self._capture),
            ("POST", r"payments/([^/]+)/cancel", "close", self._cancel),
            ("POST", r"refunds", "refund", self._refund),
            ("GET", r"refunds", "status", self._list_refunds),
        ]

    def answer(self, request: ApiRequest) -> tuple[str, int, dict[str, Any]]:
        """Return the name of a call, the status and the object of its response."""
        for method, pattern, name, call in self._calls:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                try:
                    return name, 200, self._done(request, name, call, match.groups())
                except RefusedError as refusal:
                    return name, refusal.status, describe_error(refusal)
        return "none", 404, describe_error(absent("Resource"))

    def _done(
        self,
        request: ApiRequest,
        name: str,
        call: Callable[..., dict[str, Any]],
        ids: tuple[str, ...],
    ) -> dict[str, Any]:
        self._check_credentials(request)
        faults = self._faults.drawn(name)
        lost = RefusedError(500, "internal_server_error", "Lost: a fault is switched on")
        if faults.hang:
            self._faults.hold("hang")
        if faults.loses(name, "call"):
            raise lost
        described = call(request, faults, *ids)
        time.sleep(faults.status_delay_seconds if name == "status" else 0)
        if faults.loses(name, "answer"):
            raise lost
        return described

    def _check_credentials(self, request: ApiRequest) -> None:
        given = f"{request.user}\n{request.password}"
        right = f"{self._settings.shop_id}\n{self._settings.secret_key}"
        if not hmac.compare_digest(given.encode(), right.encode()):
            raise RefusedError(401, "invalid_credentials", "Basic authentication failed")

    def _create(self, request: ApiRequest, _faults: Faults) -> dict[str, Any]:
        with self._refusals_kept(request.keyed):
            new = new_payment_of(read_json(request.body))
            return self._described(self._payments.create(new, request.keyed))

    def _show(self, _request: ApiRequest, faults: Faults, payment_id: str) -> dict[str, Any]:
        payment = self._payments.find(payment_id)
        if faults.status_denies:
            raise absent("Payment")
        return self._described(_misreported(payment, faults))

    def _capture(self, request: ApiRequest, _faults: Faults, payment_id: str) -> dict[str, Any]:
        with self._refusals_kept(request.keyed):
            body = read_json(request.body)
            amount = amount_of(body) if "amount" in body else None
            return self._described(self._payments.capture(payment_id, amount, request.keyed))

    def _cancel(self, request: ApiRequest, _faults: Faults, payment_id: str) -> dict[str, Any]:
        with self._refusals_kept(request.keyed):
            return self._described(self._payments.cancel(payment_id, request.keyed))

    def _refund(self, request: ApiRequest, faults: Faults) -> dict[str, Any]:
        with self._refusals_kept(request.keyed):
            if faults.refuse_refunds:
                raise invalid("Refused: this fault is switched on")
            payment_id, amount, description = refund_of(read_json(request.body))
            new = NewRefund(payment_id, amount, description, faults.refund_pending_seconds)
            return describe_refund(self._payments.refund(new, request.keyed))

    def _list_payments(self, request: ApiRequest, faults: Faults) -> dict[str, Any]:
        self._payments.tidy()
        payments, cursor = self._lists.payments(request.query)
        if faults.status_denies:
            payments, cursor = [], ""
        return _listed([self._described(payment) for payment in payments], cursor)

    def _list_refunds(self, request: ApiRequest, _faults: Faults) -> dict[str, Any]:
        self._payments.tidy()
        refunds, cursor = self._lists.refunds(request.query)
        return _listed([describe_refund(refund) for refund in refunds], cursor)

    def _described(self, payment: Payment) -> dict[str, Any]:
        return describe_payment(payment, self._settings.url)

    @contextmanager
    def _refusals_kept(self, call: KeyedCall) -> Iterator[None]:
        """Keep a refusal under the key of the call: a repetition is refused again."""
        try:
            yield
        except RefusedError as refusal:
            with self._database.transaction() as db:
                remember_refusal(db, call, refusal, self._clock())
            raise


def _misreported(payment: Payment, faults: Faults) -> Payment:
    if faults.status_lags:
        payment = replace(
            payment, status=PENDING, reason="", refunded=0, captured_at=None, masked_pan=None
        )
    if faults.status_misreports:
        payment = replace(payment, amount=payment.amount + ROUBLE)
    return payment


def _listed(items: list[dict[str, Any]], cursor: str) -> dict[str, Any]:
    listed: dict[str, Any] = {"type": "list", "items": items}
    return listed | ({"next_cursor": cursor} if cursor else {})
