"""The client of the RBS protocol: every answer is a value, and doubt is never a guess."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from services.payments.acquirer import (
    NewOrder,
    NumberTaken,
    OrderAbsent,
    OrderReport,
    OrderStatus,
    RbsAcquirer,
    Refused,
    Registered,
    UnknownOutcome,
    is_genuine,
    only_masked,
)
from shared.config import Settings

ORDER = NewOrder(
    order_number="n1",
    amount=450_000,
    description="Оплата",
    return_url="https://saldo.example/payments/1",
    session_seconds=1200,
)
PAID = {
    "errorCode": "0",
    "orderNumber": "n1",
    "orderStatus": 2,
    "actionCode": 0,
    "amount": 450_000,
    "date": 1_795_000_000_000,
    "authDateTime": 1_795_000_060_000,
    "paymentAmountInfo": {"depositedAmount": 450_000, "refundedAmount": 0, "feeAmount": 1},
    "cardAuthInfo": {"maskedPan": "411111**1111"},
    "somethingNew": {"a": 1},
}


class Wire:
    """Stands in for `requests.post`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        self.body = b"{}"
        self.error: Exception | None = None

    def post(self, url: str, *, data: dict[str, str], **options: Any) -> requests.Response:
        self.sent.append((url, data, options))
        if self.error:
            raise self.error
        response = requests.Response()
        response.status_code = self.status
        response._content = self.body
        return response

    def answers(self, answer: Any) -> None:
        self.body = json.dumps(answer).encode()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr("services.payments.acquirer.requests.post", wire.post)
    return wire


@pytest.fixture
def client() -> RbsAcquirer:
    return RbsAcquirer(
        Settings(
            amqp_url="amqp://nowhere",
            secret=bytes(32),
            acquirer_url="https://bank.example/payment/",
            acquirer_user="saldo-api",
            acquirer_password="pass-word",
        )
    )


def test_the_worked_example_is_genuine_and_nothing_else_is() -> None:
    parameters = {
        "mdOrder": "3ff6962a-7dcc-4283-ab50-a6d7dd3386fe",
        "operation": "deposited",
        "orderNumber": "10747",
        "status": "1",
        "checksum": "0A40D6D0B2BC3B75C4B4B28CD5E4C8F75D0D9ADB50546D05A576828A55A17A8B",
    }
    assert is_genuine(parameters, "secret")
    assert not is_genuine(parameters, "Secret")
    assert not is_genuine(parameters, "")
    for key in parameters:
        assert not is_genuine({**parameters, key: "x"}, "secret")
        assert not is_genuine({k: v for k, v in parameters.items() if k != key}, "secret")
    assert not is_genuine({**parameters, "amount": "1"}, "secret")


def test_what_is_sent_to_register(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers({"orderId": "b1", "formUrl": "https://bank.example/form?mdOrder=b1"})
    assert client.register(ORDER) == Registered("b1", "https://bank.example/form?mdOrder=b1")
    url, data, options = wire.sent[0]
    assert url == "https://bank.example/payment/rest/register.do"
    assert data["orderNumber"] == "n1"
    assert data["amount"] == "450000"
    assert data["returnUrl"] == data["failUrl"] == ORDER.return_url
    assert data["sessionTimeoutSecs"] == "1200"
    assert data["userName"] == "saldo-api"
    assert options["timeout"]
    assert options["allow_redirects"] is False


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"errorCode": "1", "errorMessage": "занят"}, NumberTaken()),
        ({"errorCode": 1}, NumberTaken()),
        ({"errorCode": "5"}, Refused("5")),
        ({"errorCode": "0"}, UnknownOutcome("neither order nor error")),
        ({"orderId": "b1"}, UnknownOutcome("neither order nor error")),
        ({"orderId": "b1", "formUrl": "javascript:1"}, UnknownOutcome("neither order nor error")),
    ],
)
def test_answers_to_register(
    wire: Wire, client: RbsAcquirer, answer: dict[str, Any], outcome: Any
) -> None:
    wire.answers(answer)
    assert client.register(ORDER) == outcome


def test_no_answer_is_an_unknown_outcome(wire: Wire, client: RbsAcquirer) -> None:
    for error in (requests.ReadTimeout(), requests.ConnectionError()):
        wire.error = error
        assert isinstance(client.register(ORDER), UnknownOutcome)
        assert isinstance(client.report("n1", None), UnknownOutcome)
    wire.error = None
    for status, body in ((500, b"{}"), (302, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"")):
        wire.status, wire.body = status, body
        assert isinstance(client.register(ORDER), UnknownOutcome)
        assert isinstance(client.report("n1", None), UnknownOutcome)


def test_a_paid_order(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers(PAID)
    report = client.report("n1", "b1")
    assert report == OrderReport(
        order_number="n1",
        status=OrderStatus.PAID,
        action_code=0,
        amount=450_000,
        deposited=450_000,
        refunded=0,
        charged_at=datetime.fromtimestamp(1_795_000_060, UTC),
        masked_card="411111**1111",
    )
    assert wire.sent[0][1]["orderId"] == "b1"
    client.report("n1", None)
    assert wire.sent[1][1]["orderNumber"] == "n1"


def test_the_report_of_another_order_is_not_believed(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers({**PAID, "orderNumber": "n2"})
    assert client.report("n1", "b1") == UnknownOutcome("another order")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"errorCode": "6"}, OrderAbsent()),
        ({"errorCode": "5"}, UnknownOutcome("error 5")),
        ({"orderStatus": 99}, UnknownOutcome("unknown status")),
        ({"orderStatus": None}, UnknownOutcome("unknown status")),
    ],
)
def test_reports_without_a_status(
    wire: Wire, client: RbsAcquirer, changes: dict[str, Any], outcome: Any
) -> None:
    wire.answers({**PAID, **changes})
    assert client.report("n1", None) == outcome


def test_a_card_that_is_not_masked_is_not_kept() -> None:
    assert only_masked("411111**1111") == "411111**1111"
    assert only_masked("411111******1111") == "411111******1111"
    for card in ("4111111111111111", "", "411111*1111", "411111**11111", "4111111**11111"):
        assert only_masked(card) is None
