"""The simulated YooKassa as a process, and the shop's side of its notifications."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.integration.payments.bank_process import BankProcess
from tests.ports import free_port
from tests.waiting import eventually

SECRET_KEY = "shop-secret-key"


class Shop:
    """The shop's side of notifications: records them, and responds with `status`."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.status = 200
        self.url = ""

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        if request.path == "/api/v1/acquirer/kassa/callback":
            self.bodies.append(body.decode())
        return self.status, b""

    def of(self, order_number: str) -> list[dict[str, Any]]:
        """Return the notifications of an order's payments, refunds aside."""
        told = [json.loads(body) for body in self.bodies]
        return [
            one for one in told if one["object"].get("metadata") == {"order_number": order_number}
        ]


class KassaProcess(BankProcess):
    """`python -m deploy.doubles.yookassa`, to be killed and started again on the same folder."""

    def __init__(self, folder: Path, shop: Shop) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = os.environ | {
            "SALDO_ACQUIRER_KASSA_URL": self.url,
            "SALDO_ACQUIRER_KASSA_USER": "saldo",
            "SALDO_ACQUIRER_KASSA_PASSWORD": SECRET_KEY,
            "SALDO_URL": shop.url,
            "SALDO_STATE_DIR": str(folder),
        }
        self.log = folder / "yookassa.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.doubles.yookassa"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, "YooKassa answers")
