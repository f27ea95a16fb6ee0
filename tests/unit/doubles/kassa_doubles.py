"""The simulated YooKassa in this process: its own file, a stopped clock, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from bank_doubles import LoopbackClient
from werkzeug.test import TestResponse

from deploy.doubles.yookassa.api import Api
from deploy.doubles.yookassa.database import Database
from deploy.doubles.yookassa.faults import FaultSwitch
from deploy.doubles.yookassa.lists import Lists
from deploy.doubles.yookassa.notifications import Notification, NotificationSender
from deploy.doubles.yookassa.payments import Payments
from deploy.doubles.yookassa.settings import ShopSettings
from deploy.doubles.yookassa.web import App

SECOND, HOUR, DAY = 1000, 3_600_000, 24 * 3_600_000


class KassaHarness:
    """A YooKassa without a server; `now` is its clock, in milliseconds."""

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.now = 1_795_000_000_000
        self.settings = ShopSettings(
            url=f"http://kassa.example{prefix}",
            shop_id="saldo",
            secret_key="secret-key",
            callback_url="http://merchant.example/callback",
            state_dir=folder,
        )
        self.prefix = prefix
        self.database = Database(folder / "yookassa.sqlite")
        self.faults = FaultSwitch()
        self.log = structlog.get_logger()
        self.lists = Lists(self.database)
        self.sender = NotificationSender(
            self.database, self.settings.callback_url, self.log, clock=lambda: self.now
        )
        self.payments = Payments(
            self.database, self.faults, self.settings.url, clock=lambda: self.now
        )
        api = Api(
            self.payments,
            self.lists,
            self.settings,
            self.faults,
            self.database,
            clock=lambda: self.now,
        )
        self.app = App(self.payments, self.lists, api, self.faults, prefix, self.log)
        self.http = LoopbackClient(self.app)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        """Call the API as the shop, a POST under a key of its own unless one is given."""
        key = more.pop("key", str(uuid4()))
        more.setdefault("auth", ("saldo", "secret-key"))
        headers = {"Idempotence-Key": key} if method == "POST" and key else {}
        return self.http.open(
            f"{self.prefix}/v3/{path}", method=method, json=body, headers=headers, **more
        )

    def create(self, number: str = "n1", key: str | None = None, **changes: Any) -> dict[str, Any]:
        response = self.call("POST", "payments", new_payment(number, **changes), key=key or number)
        assert response.status_code == 200, response.text
        created: dict[str, Any] = response.get_json()
        return created

    def show(self, payment_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.call("GET", f"payments/{payment_id}").get_json()
        return shown

    def enter_card(self, payment_id: str, number: str, **changes: str) -> TestResponse:
        form = {"card_number": number, "expiry": "12/49", "cvc": "123", **changes}
        return self._confirm("card", payment_id, form)

    def enter_code(self, payment_id: str, code: str) -> TestResponse:
        return self._confirm("code", payment_id, {"code": code})

    def _confirm(self, page: str, payment_id: str, form: dict[str, str]) -> TestResponse:
        path = f"{self.prefix}/payment-confirm/{page}"
        return self.http.post(path, query_string={"orderId": payment_id}, data=form)

    def notifications(self) -> list[Notification]:
        return self.sender.due(limit=100)

    def switch_on(self, **faults: Any) -> None:
        assert self.http.put(f"{self.prefix}/admin/faults", json=faults).status_code == 200


def new_payment(number: str = "n1", **changes: Any) -> dict[str, Any]:
    """Return the body that creates a payment."""
    return {
        "amount": {"value": "4500.00", "currency": "RUB"},
        "capture": False,
        "confirmation": {"type": "redirect", "return_url": "http://merchant.example/back?tab=1"},
        "description": "Оплата",
        "metadata": {"order_number": number},
        **changes,
    }
