"""The simulated acquirer as a process, what it calls back, and who pays on its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from shared.acquirer_settings import AcquirerSettings
from tests.ports import free_port
from tests.waiting import eventually

PASSWORD, SECRET = "acquirer-password", "callback-key"
PAYS, DECLINES, ASKS = "4111 1111 1111 1111", "4000 0000 0000 0002", "4000 0000 0000 3220"


class Merchant:
    """The merchant's side of callbacks: records them, and responds with `status`."""

    def __init__(self) -> None:
        self.callbacks: list[dict[str, str]] = []
        self.status = 200
        self.url = ""

    def respond(self, request: BaseHTTPRequestHandler, _body: bytes) -> tuple[int, bytes]:
        asked = urlsplit(request.path)
        if asked.path == "/api/v1/acquirer/callback":
            self.callbacks.append(dict(parse_qsl(asked.query)))
        return self.status, b""

    def of(self, order_number: str) -> list[dict[str, str]]:
        return [got for got in self.callbacks if got["orderNumber"] == order_number]


class BankProcess:
    """`python -m deploy.doubles.acquirer`, to be killed and started again on the same folder."""

    def __init__(self, folder: Path, merchant: Merchant, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder = folder / "acquirer"
        self._environment = os.environ | {
            "SALDO_ACQUIRER_URL": self.url,
            "SALDO_ACQUIRER_USER": "saldo",
            "SALDO_ACQUIRER_PASSWORD": PASSWORD,
            "SALDO_ACQUIRER_SECRET": SECRET,
            "SALDO_URL": merchant.url,
            "SALDO_STATE_DIR": str(folder),
            **settings,
        }
        self.log = folder / "acquirer.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.doubles.acquirer"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, "the acquirer answers")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(timeout=15)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/healthz", timeout=1).ok
        except requests.ConnectionError:
            return False

    def faults(self, **faults: Any) -> None:
        requests.put(f"{self.url}/admin/faults", json=faults, timeout=5).raise_for_status()

    def refund(self, order_id: str, amount: int | None = None) -> None:
        """Return money without the merchant, all that is left or a part."""
        body = {} if amount is None else {"amount": amount}
        path = f"{self.url}/admin/orders/{order_id}/refund"
        requests.post(path, json=body, timeout=5).raise_for_status()

    def orders(self) -> dict[str, dict[str, Any]]:
        listed = requests.get(f"{self.url}/admin/orders", timeout=5).json()["orders"]
        return {order["orderNumber"]: order for order in listed}


def settings_for(bank: BankProcess, **changes: str) -> AcquirerSettings:
    """Return the settings of a merchant of this bank."""
    settings = AcquirerSettings(
        name="main", protocol="rbs", url=bank.url, user="saldo", password=PASSWORD, secret=SECRET
    )
    return replace(settings, **changes)


def press_pay(form_url: str, card: str) -> requests.Response:
    """Fill in the form as a browser does: find it, post its fields to its action."""
    page = requests.get(form_url, timeout=5)
    return submit(page, {"card_number": card, "expiry": "12/30", "cvc": "123"})


def submit(page: requests.Response, values: dict[str, str]) -> requests.Response:
    form = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert form is not None
    assert set(re.findall(r'<input id="\w+" name="(\w+)"', page.text)) == set(values)
    return requests.post(urljoin(page.url, form[1]), data=values, timeout=5, allow_redirects=False)
