"""The RBS protocol: every response becomes a value, and doubt is never a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.payments.acquirers import (
    Done,
    FasterPayment,
    NewOrder,
    NumberTaken,
    Order,
    OrderReport,
    OrderState,
    Outcome,
    Refused,
    Registered,
    UnknownOutcome,
)
from services.payments.acquirers.exchange import Answer
from services.payments.acquirers.rbs.client import RbsAcquirer
from services.payments.acquirers.rbs.translation import only_masked
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable

ORDER = NewOrder(
    order_number="n1",
    amount=450_000,
    description="Оплата",
    return_url="https://saldo.example/payments/1",
    session_seconds=1200,
)
KNOWN = Order(order_number="n1", order_id="b1")
NUMBER_ONLY = Order(order_number="n1", order_id=None)
REFUND = UUID(int=1)
PAID = {
    "errorCode": "0",
    "orderNumber": "n1",
    "orderStatus": 2,
    "actionCode": 0,
    "amount": 450_000,
    "currency": "643",
    "date": 1_795_000_000_000,
    "authDateTime": 1_795_000_060_000,
    "attributes": [{"name": "mdOrder", "value": "b1"}],
    "paymentAmountInfo": {
        "approvedAmount": 450_000,
        "depositedAmount": 450_000,
        "refundedAmount": 0,
        "feeAmount": 1,
    },
    "cardAuthInfo": {"maskedPan": "411111**1111"},
    "somethingNew": {"a": 1},
}


def unknown(reason: str) -> OrderReport:
    return OrderReport(state=OrderState.UNKNOWN, reason=reason, order_number="n1", order_id="b1")


def is_unknown(report: OrderReport | None) -> bool:
    return report is not None and report.state is OrderState.UNKNOWN


class Wire:
    """Stands in for the exchange with the bank; `by_call` holds what it responds to each."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str]]] = []
        self.default: Answer | UnknownOutcome = Answer(200, b"{}")
        self.by_call: dict[str, Answer | UnknownOutcome] = {}

    def exchange(
        self, method: str, url: str, *, data: Mapping[str, str]
    ) -> Answer | UnknownOutcome:
        assert method == "POST"
        self.sent.append((url, dict(data)))
        return self.by_call.get(url.rpartition("/")[2], self.default)

    def answers(self, answer: Any, call: str = "") -> None:
        response = Answer(200, json.dumps(answer).encode())
        if call:
            self.by_call[call] = response
        else:
            self.default = response

    @property
    def calls(self) -> list[str]:
        return [url.rpartition("/")[2] for url, _ in self.sent]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr("services.payments.acquirers.rbs.client.exchange", wire.exchange)
    return wire


@pytest.fixture
def client() -> RbsAcquirer:
    return RbsAcquirer(
        AcquirerSettings(
            name="main",
            protocol="rbs",
            url="https://bank.example/payment",
            user="saldo-api",
            password="pass-word",
            secret="secret",
        )
    )


def test_registration_sends_order_and_credentials(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers({"orderId": "b1", "formUrl": "https://bank.example/form?mdOrder=b1"})
    assert client.register(ORDER) == Registered("b1", "https://bank.example/form?mdOrder=b1")
    url, data = wire.sent[0]
    assert url == "https://bank.example/payment/rest/register.do"
    assert data["orderNumber"] == "n1"
    assert data["amount"] == "450000"
    assert data["returnUrl"] == data["failUrl"] == ORDER.return_url
    assert data["sessionTimeoutSecs"] == "1200"
    assert (data["userName"], data["password"]) == ("saldo-api", "pass-word")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"errorCode": "1", "errorMessage": "занят"}, NumberTaken()),
        ({"errorCode": 1}, NumberTaken()),
        ({"errorCode": "5"}, Refused("5")),
        ({"errorCode": "0"}, UnknownOutcome("neither order nor error")),
        ({"errorCode": "сбой"}, UnknownOutcome("neither order nor error")),
        ({"orderId": "b1"}, UnknownOutcome("neither order nor error")),
        ({"orderId": "b1", "formUrl": "javascript:1"}, UnknownOutcome("neither order nor error")),
        (
            {"orderId": "b1", "formUrl": "https://" + "x" * 4096},
            UnknownOutcome("neither order nor error"),
        ),
        (
            {"orderId": "<b>", "formUrl": "https://bank.example/form"},
            UnknownOutcome("neither order nor error"),
        ),
    ],
)
def test_registration_response_has_one_meaning(
    wire: Wire, client: RbsAcquirer, answer: dict[str, Any], outcome: Any
) -> None:
    wire.answers(answer)
    assert client.register(ORDER) == outcome


def test_outcome_is_unknown_without_a_usable_response(wire: Wire, client: RbsAcquirer) -> None:
    unusable: list[Answer | UnknownOutcome] = [
        UnknownOutcome("ReadTimeout"),
        Answer(500, b"{}"),
        Answer(302, b"{}"),
        *(
            Answer(200, body)
            for body in (
                b"<html>",
                b"[]",
                b"",
                b'{"errorCode"',
                b"\xff",
                b'{"a":' * 100_000,
                b'{"amount": 1' + b"0" * 5000 + b', "orderNumber": "n1", "orderStatus": 2}',
            )
        ),
    ]
    for wire.default in unusable:
        assert isinstance(client.register(ORDER), UnknownOutcome)
        assert is_unknown(client.find_order(NUMBER_ONLY))
        assert isinstance(client.close(KNOWN), UnknownOutcome)
        assert isinstance(client.give_back(KNOWN, 1, 2, REFUND), UnknownOutcome)
        assert client.faster_payment(KNOWN) is None


def test_paid_order_is_reported_with_charge_time_and_card(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers(PAID)
    assert client.find_order(KNOWN) == OrderReport(
        state=OrderState.PAID,
        ordered=450_000,
        charged=450_000,
        returned=0,
        charged_at=datetime.fromtimestamp(1_795_000_060, UTC),
        masked_card="411111**1111",
        order_number="n1",
        order_id="b1",
    )
    assert wire.sent[0][1]["orderId"] == "b1"
    client.find_order(NUMBER_ONLY)
    assert wire.sent[1][1]["orderNumber"] == "n1"


def test_report_on_another_order_is_unknown(wire: Wire, client: RbsAcquirer) -> None:
    lost = OrderReport(state=OrderState.UNKNOWN, reason="another order")
    wire.answers({**PAID, "orderNumber": "n2"})
    assert client.find_order(KNOWN) == lost
    wire.answers({**PAID, "attributes": [{"name": "mdOrder", "value": "b2"}]})
    assert client.find_order(KNOWN) == lost


def test_number_of_an_order_is_asked_for_by_the_banks_id(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers(PAID)
    assert client.number_of("b1") == "n1"
    wire.answers({**PAID, "errorCode": "6"})
    assert client.number_of("b1") == ""
    wire.answers({**PAID, "errorCode": "5"})
    with pytest.raises(Unavailable):
        client.number_of("b1")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"errorCode": "6"}, None),
        ({"errorCode": "5"}, OrderReport(state=OrderState.UNKNOWN, reason="error 5")),
        ({"orderStatus": 99}, unknown("unknown status")),
        ({"orderStatus": None}, unknown("unknown status")),
        ({"currency": "840"}, unknown("not roubles")),
        ({"amount": 0}, unknown("no amount")),
        ({"amount": -450_000}, unknown("amount out of range")),
        ({"amount": 10**15}, unknown("amount out of range")),
        ({"authDateTime": 10**17}, unknown("no such time")),
        ({"authDateTime": -1}, unknown("no such time")),
        ({"orderStatus": 0}, unknown("charged, and yet not paid")),
        ({"orderStatus": 6}, unknown("charged, and yet not paid")),
        ({"orderStatus": 4}, unknown("refunded, and yet nothing returned")),
    ],
)
def test_report_that_cannot_be_is_absent_or_unknown(
    wire: Wire, client: RbsAcquirer, changes: dict[str, Any], outcome: Any
) -> None:
    wire.answers({**PAID, **changes})
    assert client.find_order(NUMBER_ONLY) == outcome


@pytest.mark.parametrize(
    ("amounts", "reason"),
    [
        ({"depositedAmount": -1}, "amount out of range"),
        ({"depositedAmount": 10**15}, "amount out of range"),
        ({"depositedAmount": 450_000, "refundedAmount": 450_001}, "more returned than charged"),
        ({"depositedAmount": 450_000, "refundedAmount": -1}, "amount out of range"),
        ({"approvedAmount": 0, "depositedAmount": 0}, "nothing charged"),
    ],
)
def test_amounts_that_contradict_each_other_are_unknown(
    wire: Wire, client: RbsAcquirer, amounts: dict[str, int], reason: str
) -> None:
    wire.answers({**PAID, "paymentAmountInfo": amounts})
    assert client.find_order(KNOWN) == unknown(reason)


@pytest.mark.parametrize(
    ("status", "action_code", "state"),
    [
        (0, -100, OrderState.PENDING),
        (1, 0, OrderState.PENDING),
        (5, 0, OrderState.PENDING),
        (6, 116, OrderState.DECLINED),
        (6, -2007, OrderState.EXPIRED),
        (6, -100, OrderState.EXPIRED),
    ],
)
def test_unpaid_order_charges_nothing(
    wire: Wire, client: RbsAcquirer, status: int, action_code: int, state: OrderState
) -> None:
    amounts = {"approvedAmount": 450_000 if status == 1 else 0, "depositedAmount": 0}
    unpaid = {"orderStatus": status, "actionCode": action_code, "paymentAmountInfo": amounts}
    wire.answers({**PAID, **unpaid})
    report = client.find_order(KNOWN)
    assert report is not None
    assert (report.state, report.charged, report.returned) == (state, 0, 0)
    assert report.charged_at is None
    assert report.reason == (str(action_code) if action_code else "")


@pytest.mark.parametrize(
    ("status", "amounts", "told"),
    [
        (2, {"depositedAmount": 450_100}, (OrderState.PAID, 450_100, 0)),
        (2, {"approvedAmount": 449_900}, (OrderState.PAID, 449_900, 0)),
        (2, {}, (OrderState.PAID, 450_000, 0)),
        (2, None, (OrderState.PAID, 450_000, 0)),
        (2, {"depositedAmount": 450_000, "refundedAmount": 7}, (OrderState.RETURNED, 450_000, 7)),
        (3, {"depositedAmount": 450_000}, (OrderState.RETURNED, 450_000, 450_000)),
        (
            3,
            {"approvedAmount": 0, "depositedAmount": 0},
            (OrderState.RETURNED, 450_000, 450_000),
        ),
        (3, {"depositedAmount": 450_100}, (OrderState.RETURNED, 450_100, 450_100)),
        (
            4,
            {"depositedAmount": 450_000, "refundedAmount": 1},
            (OrderState.RETURNED, 450_000, 1),
        ),
        (
            4,
            {"approvedAmount": 450_000, "depositedAmount": 449_999, "refundedAmount": 1},
            (OrderState.RETURNED, 450_000, 1),
        ),
        (4, {"depositedAmount": 449_999, "refundedAmount": 1}, (OrderState.RETURNED, 450_000, 1)),
        (
            4,
            {"depositedAmount": 0, "refundedAmount": 450_000},
            (OrderState.RETURNED, 450_000, 450_000),
        ),
    ],
)
def test_charged_and_returned_are_what_left_the_card_and_what_went_back(
    wire: Wire,
    client: RbsAcquirer,
    status: int,
    amounts: dict[str, int] | None,
    told: tuple[OrderState, int, int],
) -> None:
    wire.answers({**PAID, "orderStatus": status, "paymentAmountInfo": amounts})
    report = client.find_order(KNOWN)
    assert report is not None
    assert (report.state, report.charged, report.returned) == told
    assert report.ordered == 450_000


def test_unmasked_card_is_dropped() -> None:
    assert only_masked("411111**1111") == "411111**1111"
    assert only_masked("411111******1111") == "411111******1111"
    for card in ("4111111111111111", "", "411111*1111", "411111**11111", "4111111**11111"):
        assert only_masked(card) is None


def test_nothing_is_captured_in_a_second_step(wire: Wire, client: RbsAcquirer) -> None:
    assert client.capture(KNOWN, 450_000) == Refused("one_stage")
    assert wire.sent == []


def test_open_order_is_closed_for_its_merchant(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers({"errorCode": "0"}, "decline.do")
    assert client.close(KNOWN) == Done()
    assert wire.calls == ["decline.do"]
    assert (wire.sent[0][1]["orderId"], wire.sent[0][1]["merchantLogin"]) == ("b1", "saldo")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (PAID, Refused("7")),
        ({"errorCode": "6"}, Refused("7")),
        ({**PAID, "orderStatus": 6, "paymentAmountInfo": None, "actionCode": 116}, Done()),
        ({**PAID, "orderStatus": 6, "paymentAmountInfo": None, "actionCode": -2007}, Done()),
        ({**PAID, "orderStatus": 0, "paymentAmountInfo": None}, Refused("7")),
    ],
)
def test_closing_is_refused_unless_the_order_is_closed_already(
    wire: Wire, client: RbsAcquirer, found: dict[str, Any], outcome: Outcome
) -> None:
    wire.answers({"errorCode": "7"}, "decline.do")
    wire.answers(found, "getOrderStatusExtended.do")
    assert client.close(KNOWN) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"errorCode": "0"}, Done()),
        ({"errorCode": 0}, Done()),
        ({"errorCode": "5"}, Refused("5")),
        ({"errorCode": "7"}, Refused("7")),
        ({}, UnknownOutcome("neither done nor error")),
        ({"errorCode": "сбой"}, UnknownOutcome("neither done nor error")),
    ],
)
def test_part_of_the_charge_is_refunded(
    wire: Wire, client: RbsAcquirer, answer: dict[str, Any], outcome: Outcome
) -> None:
    wire.answers(answer, "refund.do")
    assert client.give_back(KNOWN, 1000, 450_000, REFUND) == outcome
    assert wire.calls == ["refund.do"]
    assert (wire.sent[0][1]["orderId"], wire.sent[0][1]["amount"]) == ("b1", "1000")
    assert wire.sent[0][1]["externalRefundId"] == REFUND.hex


@pytest.mark.parametrize(
    ("reversal", "calls", "outcome"),
    [
        ({"errorCode": "0"}, ["reverse.do"], Done()),
        ({"errorCode": "7"}, ["reverse.do", "refund.do"], Done()),
        ({"errorCode": "5"}, ["reverse.do"], Refused("5")),
        ({}, ["reverse.do"], UnknownOutcome("neither done nor error")),
    ],
)
def test_whole_charge_is_reversed_and_refunded_only_where_it_is_settled(
    wire: Wire,
    client: RbsAcquirer,
    reversal: dict[str, Any],
    calls: list[str],
    outcome: Outcome,
) -> None:
    wire.answers(reversal, "reverse.do")
    wire.answers({"errorCode": "0"}, "refund.do")
    assert client.give_back(KNOWN, 450_000, 450_000, REFUND) == outcome
    assert wire.calls == calls


def test_order_without_the_banks_id_is_looked_up_first(wire: Wire, client: RbsAcquirer) -> None:
    wire.answers(PAID, "getOrderStatusExtended.do")
    wire.answers({"errorCode": "0"}, "refund.do")
    assert client.give_back(NUMBER_ONLY, 1, 450_000, REFUND) == Done()
    assert wire.sent[-1][1]["orderId"] == "b1"
    wire.answers({"errorCode": "6"}, "getOrderStatusExtended.do")
    assert client.close(NUMBER_ONLY) == Refused("6")
    wire.answers({**PAID, "attributes": []}, "getOrderStatusExtended.do")
    assert client.close(NUMBER_ONLY) == UnknownOutcome("no id of the order")


@pytest.mark.parametrize(
    ("answer", "payment"),
    [
        (
            {"errorCode": "0", "payload": "https://qr.nspk.ru/AD1"},
            FasterPayment("https://qr.nspk.ru/AD1"),
        ),
        ({"payload": "https://qr.nspk.ru/AD1"}, FasterPayment("https://qr.nspk.ru/AD1")),
        ({"errorCode": "5", "payload": "https://qr.nspk.ru/AD1"}, None),
        ({"errorCode": "0"}, None),
        ({"errorCode": "0", "payload": "javascript:alert(1)"}, None),
    ],
)
def test_order_has_a_code_of_faster_payments_or_none(
    wire: Wire, client: RbsAcquirer, answer: dict[str, Any], payment: FasterPayment | None
) -> None:
    wire.answers(answer)
    assert client.faster_payment(KNOWN) == payment
    url, data = wire.sent[0]
    assert url == "https://bank.example/payment/rest/sbp/c2b/qr/dynamic/get.do"
    assert data["mdOrder"] == "b1"
