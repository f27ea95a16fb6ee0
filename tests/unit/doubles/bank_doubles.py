"""The simulated bank in this process: its own file, a stopped clock, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from werkzeug.test import Client, TestResponse

from deploy.doubles.acquirer.callbacks import Callback, CallbackSender
from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.faults import FaultSwitch
from deploy.doubles.acquirer.order_list import OrderList
from deploy.doubles.acquirer.orders import Orders
from deploy.doubles.acquirer.settings import BankSettings
from deploy.doubles.acquirer.signature import by_secret
from deploy.doubles.acquirer.web import BankApp

PAYS = "4111 1111 1111 1111"
DECLINES = "4000 0000 0000 0002"
ASKS_FOR_CODE = "4000 0000 0000 3220"


class LoopbackClient(Client):
    """A client on the same machine, unless a test overrides it."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        kwargs.setdefault("environ_overrides", {"REMOTE_ADDR": "127.0.0.1"})
        return super().open(*args, **kwargs)


class BankHarness:
    """A bank without a server; `now` is its clock, in milliseconds."""

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.now = 1_795_000_000_000
        self.settings = BankSettings(
            url=f"http://bank.example{prefix}",
            user="saldo",
            password="pass-word",
            secret="secret",
            callback_url="http://merchant.example/callback",
            state_dir=folder,
        )
        self.path = folder / "acquirer.sqlite"
        self.database = Database(self.path)
        self.faults = FaultSwitch()
        self.log = structlog.get_logger()
        self.orders = Orders(self.database, self.faults, clock=lambda: self.now)
        self.sender = CallbackSender(
            self.database,
            self.settings.callback_url,
            by_secret(self.settings.secret),
            self.log,
            clock=lambda: self.now,
        )
        self.list = OrderList(self.database)
        self.app = BankApp(self.orders, self.list, self.faults, self.settings, self.log)
        self.http = LoopbackClient(self.app)

    def call(self, call: str, **parameters: Any) -> dict[str, Any]:
        credentials = {"userName": "saldo", "password": "pass-word"}
        response = self.http.post(f"/rest/{call}", data={**credentials, **parameters})
        assert response.status_code == 200
        answer: dict[str, Any] = response.get_json()
        return answer

    def register(self, number: str = "n1", amount: int = 450_000, **more: Any) -> str:
        answer = self.call(
            "register.do",
            orderNumber=number,
            amount=amount,
            returnUrl="http://merchant.example/back?tab=1",
            failUrl="http://merchant.example/failed",
            **more,
        )
        return str(answer["orderId"])

    def enter_card(self, order_id: str, number: str, **changes: str) -> TestResponse:
        form = {"card_number": number, "expiry": "12/30", "cvc": "123", **changes}
        return self.http.post("/payment/page", query_string={"mdOrder": order_id}, data=form)

    def enter_code(self, order_id: str, code: str) -> TestResponse:
        return self.http.post(
            "/payment/code", query_string={"mdOrder": order_id}, data={"code": code}
        )

    def status(self, order_id: str) -> int:
        return int(self.call("getOrderStatusExtended.do", orderId=order_id)["orderStatus"])

    def callbacks(self) -> list[Callback]:
        return self.sender.due(limit=100)
