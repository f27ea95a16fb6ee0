"""Whatever a bank answers, the port gets values that do not contradict each other."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.acquirers import Order, OrderReport, OrderState
from services.payments.acquirers.exchange import Answer
from services.payments.acquirers.rbs.client import RbsAcquirer
from shared.acquirer_settings import AcquirerSettings

ACQUIRER = RbsAcquirer(AcquirerSettings("main", "rbs", "https://bank.example/payment"))
KNOWN = Order(order_number="n1", order_id="b1")

amounts = st.one_of(st.integers(-2, 3), st.integers(), st.none())
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
)
orders = st.fixed_dictionaries(
    {"errorCode": st.sampled_from(["0", 0]), "orderNumber": st.just("n1")},
    optional={
        "orderStatus": st.one_of(st.integers(0, 6), anything),
        "actionCode": st.one_of(st.sampled_from([0, 116, -100, -2007]), anything),
        "amount": st.one_of(st.integers(1, 3), anything),
        "currency": st.one_of(st.sampled_from(["643", 810]), anything),
        "authDateTime": st.one_of(st.just(1_795_000_060_000), anything),
        "date": anything,
        "attributes": st.one_of(st.just([{"name": "mdOrder", "value": "b1"}]), anything),
        "paymentAmountInfo": st.one_of(
            st.fixed_dictionaries(
                {},
                optional={
                    "approvedAmount": amounts,
                    "depositedAmount": amounts,
                    "refundedAmount": amounts,
                },
            ),
            anything,
        ),
        "cardAuthInfo": st.one_of(st.just({"maskedPan": "411111**1111"}), anything),
    },
)


def answering(body: bytes, status: int = 200) -> Any:
    """Have the bank answer every call so."""
    return patch(
        "services.payments.acquirers.rbs.client.exchange",
        lambda *_, **__: Answer(status, body),
    )


@given(orders)
@settings(max_examples=100, deadline=None)
def test_report_never_contradicts_itself(order: dict[str, Any]) -> None:
    with answering(json.dumps(order).encode()):
        report = ACQUIRER.find_order(KNOWN)
    assert isinstance(report, OrderReport)
    assert 0 <= report.returned <= report.charged
    match report.state:
        case OrderState.PAID:
            assert report.charged > 0
            assert report.returned == 0
        case OrderState.RETURNED:
            assert report.returned > 0
        case OrderState.UNKNOWN:
            assert report.reason
        case _:
            assert (report.charged, report.returned, report.charged_at) == (0, 0, None)
    if report.state is not OrderState.UNKNOWN:
        assert report.ordered > 0


@given(st.binary(max_size=40), st.sampled_from([200, 200, 302, 404, 500]))
@settings(max_examples=50, deadline=None)
def test_no_answer_makes_a_call_fail(body: bytes, status: int) -> None:
    with answering(body, status):
        ACQUIRER.find_order(KNOWN)
        ACQUIRER.close(KNOWN)
        ACQUIRER.give_back(KNOWN, 1, 2, UUID(int=1))
        ACQUIRER.faster_payment(KNOWN)
