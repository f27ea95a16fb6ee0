"""The bank's report of a period: no order is lost, however the pages shift under the reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.payments.acquirers import OrderReport, OrderState, UnknownOutcome
from services.payments.acquirers.exchange import Answer
from services.payments.acquirers.rbs.client import RbsAcquirer
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable

NOON = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class ReportingBank:
    """A bank's report, newest first, as the platform sorts; `before_page` happens before each."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.before_page: Callable[[], object] = lambda: None
        self.counts = True

    def charge(self, at: datetime, **changes: Any) -> str:
        number = f"n{len(self.orders)}"
        self.orders.append(
            {
                "errorCode": "0",
                "orderNumber": number,
                "orderStatus": 2,
                "amount": 450_000,
                "authDateTime": round(at.timestamp() * 1000),
                "attributes": [{"name": "mdOrder", "value": f"b-{number}"}],
                "paymentAmountInfo": {"depositedAmount": 450_000, "refundedAmount": 0},
                "cardAuthInfo": {"maskedPan": "411111**1111"},
                **changes,
            }
        )
        return number

    def exchange(self, _method: str, url: str, *, data: Mapping[str, str]) -> Answer:
        assert url.endswith("/rest/getLastOrdersForMerchants.do")
        self.before_page()
        self.asked.append(dict(data))
        first, last = (_epoch_ms(data[end]) for end in ("from", "to"))
        found = [o for o in self.orders if first <= o.get("authDateTime", first) <= last]
        found.sort(key=lambda order: -order.get("authDateTime", 0))
        start = int(data["page"]) * int(data["size"])
        page: dict[str, Any] = {
            "errorCode": "0",
            "orderStatuses": found[start : start + int(data["size"])],
            "page": int(data["page"]),
        }
        if self.counts:
            page["totalCount"] = len(found)
        return Answer(200, json.dumps(page).encode())


def _epoch_ms(text: str) -> int:
    moscow = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo("Europe/Moscow"))
    return round(moscow.timestamp() * 1000)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> ReportingBank:
    bank = ReportingBank()
    monkeypatch.setattr("services.payments.acquirers.rbs.client.exchange", bank.exchange)
    return bank


@pytest.fixture
def client() -> RbsAcquirer:
    return RbsAcquirer(AcquirerSettings("main", "rbs", "https://bank.example/payment"))


def numbers(reports: list[OrderReport]) -> list[str]:
    return sorted(report.order_number for report in reports)


def test_orders_charged_in_the_period_are_reported_as_they_are_now(
    bank: ReportingBank, client: RbsAcquirer
) -> None:
    amounts = {"depositedAmount": 450_000, "refundedAmount": 1000}
    bank.charge(NOON - timedelta(milliseconds=1))
    first = bank.charge(NOON)
    last = bank.charge(
        NOON + HOUR - timedelta(milliseconds=1), orderStatus=4, paymentAmountInfo=amounts
    )
    bank.charge(NOON + HOUR)
    found = {report.order_number: report for report in client.report(NOON, NOON + HOUR)}
    assert list(found) == [last, first]
    assert found[first] == OrderReport(
        state=OrderState.PAID,
        ordered=450_000,
        charged=450_000,
        charged_at=NOON,
        masked_card="411111**1111",
        order_number=first,
        order_id=f"b-{first}",
    )
    assert (found[last].state, found[last].returned) == (OrderState.RETURNED, 1000)
    assert bank.asked[0]["from"] == "20261120120000", "the bank's zone is Moscow"
    assert bank.asked[0]["transactionStates"] == "DEPOSITED,REVERSED,REFUNDED"


def test_many_orders_are_read_page_by_page(bank: ReportingBank, client: RbsAcquirer) -> None:
    charged = sorted(bank.charge(NOON + timedelta(seconds=second)) for second in range(650))
    assert numbers(list(client.report(NOON, NOON + HOUR))) == charged
    assert [asked["page"] for asked in bank.asked] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("counts", [True, False])
def test_payments_that_shift_the_pages_lose_no_order(
    bank: ReportingBank, client: RbsAcquirer, counts: bool
) -> None:
    bank.counts = counts
    charged = sorted(bank.charge(NOON + timedelta(seconds=second)) for second in range(650))
    late = NOON + HOUR - timedelta(seconds=1)
    # One more is paid before each page is read.
    bank.before_page = lambda: bank.charge(late)
    found = numbers(list(client.report(NOON, NOON + HOUR)))
    assert set(charged) <= set(found)
    assert len(found) == len(set(found)), "an order is reported once"


def test_period_of_very_many_orders_is_read_in_parts(
    bank: ReportingBank, client: RbsAcquirer
) -> None:
    day = timedelta(days=1)
    charged = sorted(bank.charge(NOON + day / 7000 * place) for place in range(7000))
    assert numbers(list(client.report(NOON, NOON + day))) == charged
    assert len(bank.asked) < 60


def test_second_that_never_settles_is_unavailable(bank: ReportingBank, client: RbsAcquirer) -> None:
    for _ in range(300):
        bank.charge(NOON)
    bank.before_page = lambda: bank.charge(NOON)
    with pytest.raises(Unavailable, match="changes as it is read"):
        list(client.report(NOON, NOON + HOUR))


@pytest.mark.parametrize(
    "answer",
    [
        UnknownOutcome("ReadTimeout"),
        Answer(500, b""),
        Answer(200, b"<html>"),
        Answer(200, b'{"errorCode": "5"}'),
    ],
)
def test_bank_that_gives_no_report_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, client: RbsAcquirer, answer: Answer | UnknownOutcome
) -> None:
    monkeypatch.setattr("services.payments.acquirers.rbs.client.exchange", lambda *_, **__: answer)
    with pytest.raises(Unavailable) as refused:
        list(client.report(NOON, NOON + HOUR))
    assert refused.value.code == "acquirer_unavailable"


def test_doubtful_order_is_reported_as_unknown_and_hides_no_other(
    bank: ReportingBank, client: RbsAcquirer
) -> None:
    doubtful = bank.charge(NOON, amount=-1)
    refused = bank.charge(NOON, errorCode="5")
    bank.charge(NOON, orderStatus=6, paymentAmountInfo={"depositedAmount": 0})
    paid = bank.charge(NOON)
    found = {report.order_number: report.state for report in client.report(NOON, NOON + HOUR)}
    assert found == {
        doubtful: OrderState.UNKNOWN,
        refused: OrderState.UNKNOWN,
        paid: OrderState.PAID,
    }


def test_order_without_the_time_of_its_charge_is_left_to_the_banks_choice(
    bank: ReportingBank, client: RbsAcquirer
) -> None:
    number = bank.charge(NOON, date=round((NOON - HOUR).timestamp() * 1000))
    del bank.orders[0]["authDateTime"]
    assert numbers(list(client.report(NOON, NOON + HOUR))) == [number]
