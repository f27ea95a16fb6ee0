"""YooKassa's API: what is sent, and that every response becomes a value, never a guess."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from yookassa_wire import (
    AUTHORIZATION,
    HELD,
    NOT_FOUND,
    PENDING,
    REFUND,
    REFUSED,
    SUCCEEDED,
    Wire,
    canceled,
)

from services.payments.acquirers import (
    Done,
    NewOrder,
    Order,
    OrderReport,
    OrderState,
    Refused,
    Registered,
    UnknownOutcome,
)
from services.payments.acquirers.yookassa import YookassaAcquirer, api
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable
from tests.serving_http import serving

ID = PENDING["id"]
ORDER = Order(order_number="n1", order_id=ID)
UNNAMED = Order(order_number="n1", order_id=None)
NEW = NewOrder(
    order_number="n1",
    amount=450_000,
    description="Оплата по лицевым счетам " * 10,
    return_url="https://saldo.example/payments/1",
    session_seconds=1200,
)
PAGE = PENDING["confirmation"]["confirmation_url"]
REFUND_ID = UUID(int=7)
MARKED = REFUND | {"description": f"Возврат {REFUND_ID}"}
NOTHING = {"type": "list", "items": []}

DOUBTFUL: list[Any] = [
    (500, {"type": "error", "id": "e", "code": "internal_server_error", "description": ""}),
    (202, {"type": "processing", "retry_after": 1800}),
    (429, {"type": "error", "id": "e", "code": "too_many_requests", "description": ""}),
    (404, b"<html>Not Found</html>"),
    (403, b""),
    (302, b""),
    (200, b""),
    (200, b"<html>"),
    (200, b'{"id": "23d9'),
    (200, b"[" * 100_000),
    [],
    {"id": ID},
    PENDING | {"amount": {"value": 4500, "currency": "RUB"}},
    PENDING | {"created_at": "yesterday"},
]
"""Responses that say nothing for certain."""


@pytest.fixture(scope="module")
def served() -> Iterator[Wire]:
    wire = Wire()
    with serving(wire.respond) as address:
        wire.url = f"http://{address}"
        yield wire


@pytest.fixture
def wire(served: Wire) -> Wire:
    served.forget()
    return served


@pytest.fixture
def kassa(wire: Wire) -> YookassaAcquirer:
    return YookassaAcquirer(
        AcquirerSettings(
            name="kassa", protocol="yookassa", url=wire.url, user="506751", password="секрет"
        )
    )


def reported(kassa: YookassaAcquirer, wire: Wire, payment: Any) -> OrderReport:
    wire.answers(payment)
    report = kassa.find_order(ORDER)
    assert report is not None
    return report


def test_payment_is_created_in_two_steps_under_a_key_of_its_order(
    kassa: YookassaAcquirer, wire: Wire
) -> None:
    wire.answers(PENDING, PENDING)
    assert kassa.register(NEW) == kassa.register(NEW) == Registered(ID, PAGE)
    first, second = wire.sent
    assert first == second
    assert (first.method, first.path, first.query) == ("POST", "/v3/payments", {})
    assert first.authorization == AUTHORIZATION
    assert first.key == "order-n1"
    assert first.body == {
        "amount": {"value": "4500.00", "currency": "RUB"},
        "capture": False,
        "confirmation": {"type": "redirect", "return_url": "https://saldo.example/payments/1"},
        "description": NEW.description[:128],
        "metadata": {"order_number": "n1"},
    }


@pytest.mark.parametrize(
    "answer",
    [
        *DOUBTFUL,
        PENDING | {"metadata": {"order_number": "n2"}},
        PENDING | {"metadata": {}},
        PENDING | {"confirmation": {"type": "redirect", "confirmation_url": "javascript:alert()"}},
        PENDING | {"confirmation": {"type": "embedded"}},
        HELD,
        SUCCEEDED,
        canceled("expired_on_confirmation"),
    ],
)
def test_registration_is_not_known_without_a_page_of_this_order(
    kassa: YookassaAcquirer, wire: Wire, answer: Any
) -> None:
    wire.answers(answer)
    assert isinstance(kassa.register(NEW), UnknownOutcome)


def test_refusal_carries_its_code(kassa: YookassaAcquirer, wire: Wire) -> None:
    wire.answers(REFUSED, (401, {"type": "error", "code": "invalid_credentials"}))
    assert kassa.register(NEW) == Refused("invalid_request")
    assert kassa.register(NEW) == Refused("invalid_credentials")


def test_paid_payment_is_reported_whole(kassa: YookassaAcquirer, wire: Wire) -> None:
    assert reported(kassa, wire, SUCCEEDED) == OrderReport(
        state=OrderState.PAID,
        ordered=450_000,
        charged=450_000,
        charged_at=datetime(2026, 11, 20, 9, 2, 3, 456_000, UTC),
        masked_card="411111**1111",
        order_number="n1",
        order_id=ID,
    )
    assert wire.calls == [f"GET /v3/payments/{ID}"]
    assert wire.sent[0].key == ""


@pytest.mark.parametrize(
    ("payment", "state", "charged", "returned", "reason"),
    [
        (PENDING, OrderState.PENDING, 0, 0, ""),
        (HELD, OrderState.HELD, 450_000, 0, ""),
        (
            SUCCEEDED | {"refunded_amount": {"value": "0.01", "currency": "RUB"}},
            OrderState.RETURNED,
            450_000,
            1,
            "",
        ),
        (canceled("expired_on_confirmation"), OrderState.EXPIRED, 0, 0, "expired_on_confirmation"),
        (canceled("expired_on_capture"), OrderState.EXPIRED, 0, 0, "expired_on_capture"),
        (canceled("canceled_by_merchant"), OrderState.EXPIRED, 0, 0, "canceled_by_merchant"),
        (canceled("insufficient_funds"), OrderState.DECLINED, 0, 0, "insufficient_funds"),
        (canceled("3d_secure_failed"), OrderState.DECLINED, 0, 0, "3d_secure_failed"),
    ],
)
def test_every_status_has_its_state(
    kassa: YookassaAcquirer,
    wire: Wire,
    payment: Any,
    state: OrderState,
    charged: int,
    returned: int,
    reason: str,
) -> None:
    report = reported(kassa, wire, payment)
    assert (report.state, report.charged, report.returned, report.reason) == (
        state,
        charged,
        returned,
        reason,
    )
    assert report.ordered == 450_000


@pytest.mark.parametrize(
    "payment",
    [
        *DOUBTFUL,
        (401, {"type": "error", "code": "invalid_credentials"}),
        SUCCEEDED | {"status": "refunded"},
        SUCCEEDED | {"paid": False},
        PENDING | {"paid": True},
        canceled("general_decline") | {"paid": True},
        SUCCEEDED | {"refunded_amount": {"value": "4500.01", "currency": "RUB"}},
        HELD | {"refunded_amount": {"value": "1.00", "currency": "RUB"}},
        SUCCEEDED | {"id": "another"},
        SUCCEEDED | {"metadata": {"order_number": "n2"}},
        *(
            SUCCEEDED | {"amount": {"value": value, "currency": "RUB"}}
            for value in ("4500", "4500.0", "4500.000", "4 500.00", "45e2", "-4500.00", "NaN")
        ),
        SUCCEEDED | {"amount": {"value": "٤٥٠٠.٠٠", "currency": "RUB"}},
        SUCCEEDED | {"amount": {"value": "4500.00", "currency": "USD"}},
    ],
)
def test_state_is_unknown_where_a_response_is_doubtful(
    kassa: YookassaAcquirer, wire: Wire, payment: Any
) -> None:
    report = reported(kassa, wire, payment)
    assert (report.state, report.charged) == (OrderState.UNKNOWN, 0)
    assert report.reason


@pytest.mark.parametrize(
    "method",
    [
        None,
        {"type": "sbp"},
        {"type": "bank_card", "card": {"last4": "1111"}},
        {"type": "bank_card", "card": {"first6": "4111111111111111", "last4": "1111"}},
        {"type": "bank_card", "card": {"first6": None, "last4": None}},
    ],
)
def test_card_is_shown_only_masked(kassa: YookassaAcquirer, wire: Wire, method: Any) -> None:
    report = reported(kassa, wire, SUCCEEDED | {"payment_method": method})
    assert (report.state, report.masked_card) == (OrderState.PAID, None)


def test_payment_that_does_not_exist_is_none(kassa: YookassaAcquirer, wire: Wire) -> None:
    wire.answers(NOT_FOUND)
    assert kassa.find_order(ORDER) is None


def test_number_of_a_payment_is_asked_for_by_its_id(kassa: YookassaAcquirer, wire: Wire) -> None:
    wire.answers(SUCCEEDED)
    assert kassa.number_of(ID) == "n1"
    wire.answers(SUCCEEDED | {"metadata": {}})
    assert kassa.number_of(ID) == ""
    wire.answers(NOT_FOUND)
    assert kassa.number_of(ID) == ""
    wire.answers((500, b""))
    with pytest.raises(Unavailable):
        kassa.number_of(ID)


def test_order_without_an_id_is_looked_for_page_by_page(
    kassa: YookassaAcquirer, wire: Wire
) -> None:
    others = [PENDING | {"metadata": {}}, PENDING | {"metadata": {"order_number": "n2"}}]
    first = {"type": "list", "items": others, "next_cursor": "c1"}
    wire.answers(first, {"type": "list", "items": [SUCCEEDED], "next_cursor": "c2"})
    report = kassa.find_order(UNNAMED)
    assert report is not None
    assert (report.state, report.order_id) == (OrderState.PAID, ID)
    since = datetime.fromisoformat(wire.sent[0].query["created_at.gte"])
    assert datetime.now(UTC) - since > timedelta(days=5), "as long as payments are polled"
    assert wire.sent[0].query["limit"] == "100"
    assert wire.sent[1].query == {**wire.sent[0].query, "cursor": "c1"}


def test_order_is_absent_only_when_every_page_was_read(
    kassa: YookassaAcquirer, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"type": "list", "items": [], "next_cursor": "c1"}
    wire.answers(more, NOTHING)
    assert kassa.find_order(UNNAMED) is None
    wire.answers(more, (500, b""))
    report = kassa.find_order(UNNAMED)
    assert report is not None
    assert report.state is OrderState.UNKNOWN
    monkeypatch.setattr(api, "_MOST_PAGES", 3)
    wire.answers(more, more, more)
    assert kassa.find_order(UNNAMED) == OrderReport(
        state=OrderState.UNKNOWN, reason="the list has no end"
    )


def test_capture_and_cancellation_have_fresh_keys(kassa: YookassaAcquirer, wire: Wire) -> None:
    """A key of the order would bring back the refusal of an earlier try."""
    wire.answers(SUCCEEDED, canceled("canceled_by_merchant"))
    assert kassa.capture(ORDER, 450_000) == Done()
    assert kassa.close(ORDER) == Done()
    capture, cancel = wire.sent
    assert capture.path == f"/v3/payments/{ID}/capture"
    assert capture.body == {"amount": {"value": "4500.00", "currency": "RUB"}}
    assert (cancel.path, cancel.body) == (f"/v3/payments/{ID}/cancel", {})
    assert capture.key
    assert capture.key != cancel.key


def test_refused_step_that_is_done_already_is_done(kassa: YookassaAcquirer, wire: Wire) -> None:
    wire.answers(REFUSED, SUCCEEDED)
    assert kassa.capture(ORDER, 450_000) == Done()
    wire.answers(REFUSED, SUCCEEDED)
    assert kassa.close(ORDER) == Refused("invalid_request")
    wire.answers(REFUSED, (500, b""))
    assert kassa.close(ORDER) == Refused("invalid_request")
    wire.answers(HELD)
    assert kassa.capture(ORDER, 450_000) == UnknownOutcome("waiting_for_capture")
    wire.answers((500, b""))
    assert isinstance(kassa.close(ORDER), UnknownOutcome)


def test_step_of_an_order_without_an_id_looks_for_it_first(
    kassa: YookassaAcquirer, wire: Wire
) -> None:
    wire.answers({"type": "list", "items": [HELD]}, SUCCEEDED)
    assert kassa.capture(UNNAMED, 450_000) == Done()
    assert wire.calls == ["GET /v3/payments", f"POST /v3/payments/{ID}/capture"]
    wire.answers(NOTHING)
    assert kassa.close(UNNAMED) == Refused("not_found")
    wire.answers((500, b""))
    assert isinstance(kassa.give_back(UNNAMED, 1, 1, REFUND_ID), UnknownOutcome)


def test_refund_is_made_once_for_its_id(kassa: YookassaAcquirer, wire: Wire) -> None:
    wire.answers({"type": "list", "items": [REFUND]}, MARKED)
    assert kassa.give_back(ORDER, 1_250, 450_000, REFUND_ID) == Done()
    listed, made = wire.sent
    assert (listed.path, listed.query["payment_id"]) == ("/v3/refunds", ID)
    assert (made.path, made.key) == ("/v3/refunds", f"refund-{REFUND_ID}")
    assert made.body == {
        "payment_id": ID,
        "amount": {"value": "12.50", "currency": "RUB"},
        "description": f"Возврат {REFUND_ID}",
    }
    # The key is forgotten after a day; the refund itself still bears its id.
    wire.answers({"type": "list", "items": [REFUND, MARKED]})
    assert kassa.give_back(ORDER, 1_250, 450_000, REFUND_ID) == Done()
    assert wire.calls[-1] == "GET /v3/refunds"


@pytest.mark.parametrize(
    ("refund", "outcome"),
    [
        (REFUSED, Refused("invalid_request")),
        (MARKED | {"status": "pending"}, UnknownOutcome("pending")),
        (
            MARKED
            | {"status": "canceled", "cancellation_details": {"reason": "insufficient_funds"}},
            Refused("insufficient_funds"),
        ),
        (MARKED | {"status": "canceled"}, Refused("canceled")),
        (
            MARKED | {"amount": {"value": "12.51", "currency": "RUB"}},
            UnknownOutcome("another refund"),
        ),
        (
            MARKED | {"amount": {"value": "12,50", "currency": "RUB"}},
            UnknownOutcome("another refund"),
        ),
        (MARKED | {"payment_id": "another"}, UnknownOutcome("another refund")),
    ],
)
def test_refund_is_done_only_when_it_succeeded(
    kassa: YookassaAcquirer, wire: Wire, refund: Any, outcome: object
) -> None:
    wire.answers(NOTHING, refund)
    assert kassa.give_back(ORDER, 1_250, 450_000, REFUND_ID) == outcome


def test_no_refund_is_made_while_earlier_ones_are_not_known(
    kassa: YookassaAcquirer, wire: Wire
) -> None:
    for answer in ((500, b""), REFUSED):
        wire.answers(answer)
        outcome = kassa.give_back(ORDER, 1_250, 450_000, REFUND_ID)
        assert isinstance(outcome, UnknownOutcome)
    assert wire.calls == ["GET /v3/refunds"] * 2


def test_report_has_every_charge_also_of_others(kassa: YookassaAcquirer, wire: Wire) -> None:
    foreign = SUCCEEDED | {"id": "by-hand", "metadata": {}}
    odd = SUCCEEDED | {"amount": {"value": "1", "currency": "RUB"}}
    wire.answers(
        {"type": "list", "items": [SUCCEEDED, foreign], "next_cursor": "c1"},
        {"type": "list", "items": [odd]},
    )
    since = datetime(2026, 11, 19, 21, 0, 0, 999, UTC)
    reports = list(kassa.report(since, since + timedelta(days=1)))
    assert [(one.state, one.order_number, one.order_id) for one in reports] == [
        (OrderState.PAID, "n1", ID),
        (OrderState.PAID, "", "by-hand"),
        (OrderState.UNKNOWN, "n1", ID),
    ]
    assert wire.sent[0].query == {
        "captured_at.gte": "2026-11-19T21:00:00.000Z",
        "captured_at.lt": "2026-11-20T21:00:00.000Z",
        "limit": "100",
    }


def test_report_that_breaks_off_is_no_report(kassa: YookassaAcquirer, wire: Wire) -> None:
    since = datetime(2026, 11, 20, tzinfo=UTC)
    for answer in ((500, b""), REFUSED, {"type": "list", "items": [{"id": ID}]}):
        wire.answers({"type": "list", "items": [SUCCEEDED], "next_cursor": "c1"}, answer)
        with pytest.raises(Unavailable) as refused:
            list(kassa.report(since, since + timedelta(days=1)))
        assert refused.value.code == "acquirer_unavailable"


def test_payment_in_two_steps_has_no_code_of_faster_payments(
    kassa: YookassaAcquirer, wire: Wire
) -> None:
    assert kassa.faster_payment(ORDER) is None
    assert wire.sent == []
