"""The RBS protocol: every response becomes a value, and doubt is never a guess."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from deploy.doubles.acquirer.signature import checksum
from services.payments.acquirers import (
    Callback,
    NewOrder,
    NumberTaken,
    OrderReport,
    OrderState,
    Refused,
    Registered,
    UnknownOutcome,
)
from services.payments.acquirers.rbs import RbsAcquirer, is_genuine, only_masked
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


def unknown(reason: str) -> OrderReport:
    return OrderReport(state=OrderState.UNKNOWN, reason=reason)


def is_unknown(report: OrderReport | None) -> bool:
    return report is not None and report.state is OrderState.UNKNOWN


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
    monkeypatch.setattr("services.payments.acquirers.rbs.requests.post", wire.post)
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
            acquirer_secret="secret",
        )
    )


def test_only_the_exact_parameters_of_the_worked_example_are_genuine() -> None:
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


@pytest.mark.parametrize("key", ["mdOrder", "operation", "orderNumber", "status", "checksum"])
def test_changed_or_incomplete_callback_is_not_read(client: RbsAcquirer, key: str) -> None:
    # The bank's own implementation signs, ours verifies.
    parameters = {"mdOrder": "b1", "orderNumber": "n1", "operation": "deposited", "status": "1"}
    parameters |= {"checksum": checksum(parameters, "secret")}
    assert client.read_callback(parameters) == Callback("n1")
    assert client.read_callback({**parameters, key: "подделка"}) is None
    assert client.read_callback({k: v for k, v in parameters.items() if k != key}) is None
    lower = {**parameters, "checksum": parameters["checksum"].lower()}
    assert client.read_callback(lower) is None


def test_no_callback_is_read_without_a_secret() -> None:
    parameters = {"mdOrder": "b1", "orderNumber": "n1", "operation": "deposited", "status": "1"}
    settings = Settings(amqp_url="amqp://nowhere", secret=bytes(32))
    for secret in ("", "secret"):
        signed = {**parameters, "checksum": checksum(parameters, secret)}
        assert RbsAcquirer(settings).read_callback(signed) is None


def test_registration_sends_order_and_credentials(wire: Wire, client: RbsAcquirer) -> None:
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
def test_registration_response_has_one_meaning(
    wire: Wire, client: RbsAcquirer, answer: dict[str, Any], outcome: Any
) -> None:
    wire.answers(answer)
    assert client.register(ORDER) == outcome


def test_outcome_is_unknown_without_a_usable_response(wire: Wire, client: RbsAcquirer) -> None:
    for error in (requests.ReadTimeout(), requests.ConnectionError()):
        wire.error = error
        assert isinstance(client.register(ORDER), UnknownOutcome)
        assert is_unknown(client.find_order("n1", None))
    wire.error = None
    for status, body in ((500, b"{}"), (302, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"")):
        wire.status, wire.body = status, body
        assert isinstance(client.register(ORDER), UnknownOutcome)
        assert is_unknown(client.find_order("n1", None))


def test_paid_order_is_reported_with_charge_time_and_card(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers(PAID)
    report = client.find_order("n1", "b1")
    assert report == OrderReport(
        state=OrderState.PAID,
        ordered=450_000,
        charged=450_000,
        returned=0,
        charged_at=datetime.fromtimestamp(1_795_000_060, UTC),
        masked_card="411111**1111",
    )
    assert wire.sent[0][1]["orderId"] == "b1"
    client.find_order("n1", None)
    assert wire.sent[1][1]["orderNumber"] == "n1"


def test_report_on_another_order_is_unknown(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers({**PAID, "orderNumber": "n2"})
    assert client.find_order("n1", "b1") == unknown("another order")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"errorCode": "6"}, None),
        ({"errorCode": "5"}, unknown("error 5")),
        ({"orderStatus": 99}, unknown("unknown status")),
        ({"orderStatus": None}, unknown("unknown status")),
    ],
)
def test_report_without_a_status_is_absent_or_unknown(
    wire: Wire, client: RbsAcquirer, changes: dict[str, Any], outcome: Any
) -> None:
    wire.answers({**PAID, **changes})
    assert client.find_order("n1", None) == outcome


@pytest.mark.parametrize(
    ("status", "action_code", "state"),
    [
        (0, 0, OrderState.PENDING),
        (1, 0, OrderState.PENDING),
        (2, 0, OrderState.PAID),
        (3, 0, OrderState.RETURNED),
        (4, 0, OrderState.RETURNED),
        (5, 0, OrderState.PENDING),
        (6, 116, OrderState.DECLINED),
        (6, -2007, OrderState.EXPIRED),
    ],
)
def test_every_status_has_a_neutral_state(
    wire: Wire, client: RbsAcquirer, status: int, action_code: int, state: OrderState
) -> None:
    wire.answers({**PAID, "orderStatus": status, "actionCode": action_code})
    report = client.find_order("n1", None)
    assert report is not None
    assert report.state is state
    assert report.reason == (str(action_code) if action_code else "")


def test_reversal_returns_the_whole_charge(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers({**PAID, "orderStatus": 3})
    report = client.find_order("n1", None)
    assert report is not None
    assert report.returned == report.ordered == 450_000


def test_refund_returns_the_part_that_the_bank_reports(wire: Wire, client: RbsAcquirer) -> None:
    amounts = {"depositedAmount": 450_000, "refundedAmount": 1}
    wire.answers({**PAID, "orderStatus": 4, "paymentAmountInfo": amounts})
    report = client.find_order("n1", None)
    assert report is not None
    assert (report.ordered, report.returned) == (450_000, 1)


def test_unmasked_card_is_dropped() -> None:
    assert only_masked("411111**1111") == "411111**1111"
    assert only_masked("411111******1111") == "411111******1111"
    for card in ("4111111111111111", "", "411111*1111", "411111**11111", "4111111**11111"):
        assert only_masked(card) is None
