"""Callbacks: durable, retried with back-off until HTTP 200; and the faults for tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from bank_doubles import PAYS, BankHarness
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from deploy.doubles.acquirer.signature import (
    PRIVATE_KEY_FILE,
    PUBLIC_KEY_FILE,
    by_own_key,
    checksum,
)


class Merchant:
    """Stands in for `send`: records the parameters, and returns `answer`; None: it is down."""

    def __init__(self) -> None:
        self.received: list[dict[str, str]] = []
        self.answer: int | None = 200

    def send(self, method: str, url: str) -> str:
        assert method == "GET"
        self.received.append(dict(parse_qsl(urlsplit(url).query, strict_parsing=True)))
        return "ConnectionRefusedError" if self.answer is None else str(self.answer)


@pytest.fixture
def merchant(monkeypatch: pytest.MonkeyPatch) -> Merchant:
    merchant = Merchant()
    monkeypatch.setattr("deploy.doubles.acquirer.callbacks.send", merchant.send)
    return merchant


@pytest.fixture
def pay(bank: BankHarness) -> Callable[[str], str]:
    def pay(number: str) -> str:
        order_id = bank.register(number)
        bank.enter_card(order_id, PAYS)
        return order_id

    return pay


def deliver(bank: BankHarness) -> list[bool]:
    return [bank.sender.deliver(callback) for callback in bank.callbacks()]


def test_callback_is_signed_and_sent_once(
    bank: BankHarness, merchant: Merchant, pay: Callable[[str], str]
) -> None:
    order_id = pay("n1")
    assert deliver(bank) == [True]
    sent = merchant.received[0]
    assert sent["mdOrder"] == order_id
    assert (sent["orderNumber"], sent["operation"], sent["status"]) == ("n1", "deposited", "1")
    assert sent["checksum"] == checksum(sent, "secret")
    bank.now += 10**9
    assert bank.callbacks() == []


@pytest.mark.parametrize("answer", [None, 500, 302, 204])
def test_callback_is_retried_with_backoff_until_200(
    bank: BankHarness, merchant: Merchant, pay: Callable[[str], str], answer: int | None
) -> None:
    pay("n1")
    merchant.answer = answer
    for pause in (1000, 2000, 4000):
        assert deliver(bank) == [False]
        bank.now += pause - 1
        assert bank.callbacks() == []
        bank.now += 1
    merchant.answer = 200
    assert deliver(bank) == [True]
    assert len(merchant.received) == 4


def test_callback_is_dropped_after_three_days(
    bank: BankHarness, merchant: Merchant, pay: Callable[[str], str]
) -> None:
    pay("n1")
    merchant.answer = None
    bank.now += 3 * 24 * 3600 * 1000 + 1
    assert deliver(bank) == [False]
    bank.now += 10**9
    assert bank.callbacks() == []


def test_callback_queue_survives_the_process(
    bank: BankHarness, pay: Callable[[str], str], tmp_path: Path
) -> None:
    order_id = pay("n1")
    # Another process opens the file that the first one never closed, as after kill -9.
    again = BankHarness(tmp_path)
    assert [callback.order_id for callback in again.callbacks()] == [order_id]
    assert again.status(order_id) == 2
    again.database.close()


def test_callback_faults_drop_double_and_delay(
    bank: BankHarness, pay: Callable[[str], str]
) -> None:
    switch = bank.http
    assert switch.put("/admin/faults", json={"drop_callbacks": True}).status_code == 200
    pay("n1")
    assert bank.callbacks() == []
    switch.put("/admin/faults", json={"drop_callbacks": False, "double_callbacks": True})
    pay("n2")
    assert [callback.order_number for callback in bank.callbacks()] == ["n2", "n2"]
    switch.delete("/admin/faults")
    switch.put("/admin/faults", json={"callback_delay_seconds": 30})
    pay("n3")
    assert len(bank.callbacks()) == 2
    bank.now += 30_000
    assert len(bank.callbacks()) == 3


def test_error_after_charge_keeps_the_charge(bank: BankHarness) -> None:
    bank.http.put("/admin/faults", json={"error_after_charge": True})
    order_id = bank.register()
    assert bank.enter_card(order_id, PAYS).status_code == 500
    assert bank.status(order_id) == 2
    assert len(bank.callbacks()) == 1


def test_lost_response_keeps_the_order(bank: BankHarness) -> None:
    bank.http.put("/admin/faults", json={"lose_register_answer": True, "lose_status_answer": True})
    login = {"userName": "saldo", "password": "pass-word"}
    order = {"orderNumber": "n1", "amount": "1", "returnUrl": "http://m.example"}
    assert bank.http.post("/rest/register.do", data=login | order).status_code == 500
    assert len(bank.list.all_orders()) == 1
    status = bank.http.post("/rest/getOrderStatusExtended.do", data=login)
    assert status.status_code == 500


@pytest.mark.parametrize(
    "body", [[], {"unknown": True}, {"drop_callbacks": 1}, {"double_callbacks": "yes"}]
)
def test_unknown_fault_is_refused(bank: BankHarness, body: Any) -> None:
    assert bank.http.put("/admin/faults", json=body).status_code == 422


def test_listed_orders_are_what_reconciliation_compares(
    bank: BankHarness, pay: Callable[[str], str]
) -> None:
    order_id = pay("n1")
    listed = bank.http.get("/admin/orders").get_json()["orders"]
    assert listed[0] | {"chargedAt": 0} == {
        "orderId": order_id,
        "orderNumber": "n1",
        "amount": 450_000,
        "status": 2,
        "refunded": 0,
        "chargedAt": 0,
        "charged": 450_000,
        "returned": 0,
    }


def test_callback_of_the_banks_own_key_verifies_with_the_public_one(tmp_path: Path) -> None:
    sign = by_own_key(tmp_path)
    public = serialization.load_pem_public_key((tmp_path / PUBLIC_KEY_FILE).read_bytes())
    assert isinstance(public, RSAPublicKey)
    signature = sign({"status": "1", "mdOrder": "b1", "checksum": "ignored"})
    assert re.fullmatch(r"[0-9A-F]{512}", signature)
    public.verify(bytes.fromhex(signature), b"mdOrder;b1;status;1;", PKCS1v15(), hashes.SHA512())
    assert (tmp_path / PRIVATE_KEY_FILE).stat().st_mode & 0o777 == 0o600
    # Another process signs by the same key.
    assert by_own_key(tmp_path)({"status": "1", "mdOrder": "b1"}) == signature


def test_base_url_may_have_a_path(tmp_path: Path) -> None:
    bank = BankHarness(tmp_path, prefix="/epg")
    order = {"orderNumber": "n1", "amount": "1", "returnUrl": "http://m.example"}
    login = {"userName": "saldo", "password": "pass-word"}
    answer = bank.http.post("/epg/rest/register.do", data=login | order).get_json()
    assert answer["formUrl"].startswith("http://bank.example/epg/payment/page?mdOrder=")
    form_path = answer["formUrl"].removeprefix("http://bank.example")
    assert 'action="/epg/payment/page' in bank.http.get(form_path).text
    bank.database.close()
