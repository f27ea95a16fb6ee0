"""The faults of the simulated bank that concern registration, charge and status."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bank_doubles import PAYS, BankHarness

from deploy.doubles.acquirer.faults import OCCASIONS, Faults, FaultSwitch
from tests.waiting import eventually

LOGIN = {"userName": "saldo", "password": "pass-word"}


def switch_on(bank: BankHarness, **faults: Any) -> None:
    assert bank.http.put("/admin/faults", json=faults).status_code == 200


def test_error_before_the_charge_leaves_the_order_open(bank: BankHarness) -> None:
    switch_on(bank, error_before_charge=True)
    order_id = bank.register()
    assert bank.enter_card(order_id, PAYS).status_code == 500
    assert bank.status(order_id) == 0
    assert bank.callbacks() == []


def test_lost_register_call_leaves_no_order(bank: BankHarness) -> None:
    switch_on(bank, lose_register_call=True)
    order = {"orderNumber": "n1", "amount": "1", "returnUrl": "http://m.example"}
    assert bank.http.post("/rest/register.do", data=LOGIN | order).status_code == 500
    assert bank.list.all_orders() == []


def test_all_sessions_may_end_at_once(bank: BankHarness) -> None:
    paid, order_id = bank.register("n1"), bank.register("n2")
    bank.enter_card(paid, PAYS)
    switch_on(bank, end_sessions=True)
    assert bank.status(order_id) == 6
    assert bank.status(paid) == 2, "a charge is not undone"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("status_lags", {"orderStatus": 0, "amount": 450_000}),
        ("status_denies", {"errorCode": "6"}),
        ("status_misreports", {"orderStatus": 2, "amount": 450_100}),
    ],
)
def test_status_call_may_tell_other_than_what_happened(
    bank: BankHarness, fault: str, told: dict[str, Any]
) -> None:
    order_id = bank.register()
    bank.enter_card(order_id, PAYS)
    switch_on(bank, **{fault: True})
    answer = bank.call("getOrderStatusExtended.do", orderId=order_id)
    assert {name: answer[name] for name in told} == told
    assert "cardAuthInfo" not in answer or fault == "status_misreports"
    bank.http.delete("/admin/faults")
    assert bank.status(order_id) == 2, "the order itself is as it was"


def test_status_call_may_be_late(bank: BankHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("deploy.doubles.acquirer.web.time.sleep", slept.append)
    order_id = bank.register()
    switch_on(bank, status_delay_seconds=11)
    bank.status(order_id)
    assert slept == [11.0]


@pytest.mark.parametrize(("kopecks", "charged"), [(True, 450_100), (250, 450_250), (-100, 449_900)])
def test_card_may_be_charged_another_amount(bank: BankHarness, kopecks: int, charged: int) -> None:
    switch_on(bank, charges_other_amount=kopecks)
    order_id = bank.register()
    bank.enter_card(order_id, PAYS)
    report = bank.call("getOrderStatusExtended.do", orderId=order_id)
    assert report["amount"] == 450_000
    assert report["paymentAmountInfo"]["depositedAmount"] == charged
    assert bank.call("reverse.do", orderId=order_id)["errorCode"] == "0"
    order = bank.orders.find(order_id=order_id)
    assert (order.charged, order.returned) == (charged, charged)


def test_refunds_may_be_refused_or_lost(bank: BankHarness) -> None:
    order_id = bank.register()
    bank.enter_card(order_id, PAYS)
    part = LOGIN | {"orderId": order_id, "amount": "100"}
    switch_on(bank, refuse_refunds=True)
    assert bank.call("refund.do", orderId=order_id, amount=100)["errorCode"] == "7"
    assert bank.call("reverse.do", orderId=order_id)["errorCode"] == "7"
    switch_on(bank, refuse_refunds=False, lose_refund_call=True)
    assert bank.http.post("/rest/refund.do", data=part).status_code == 500
    assert bank.orders.find(order_id=order_id).returned == 0
    switch_on(bank, lose_refund_call=False, lose_refund_answer=True)
    assert bank.http.post("/rest/refund.do", data=part).status_code == 500
    assert bank.orders.find(order_id=order_id).returned == 100


def test_closing_and_the_report_may_be_lost(bank: BankHarness) -> None:
    order_id = bank.register()
    closing = LOGIN | {"orderId": order_id, "merchantLogin": "saldo"}
    switch_on(bank, lose_close_call=True)
    assert bank.http.post("/rest/decline.do", data=closing).status_code == 500
    assert bank.status(order_id) == 0
    switch_on(bank, lose_close_call=False, lose_close_answer=True, lose_report_answer=True)
    assert bank.http.post("/rest/decline.do", data=closing).status_code == 500
    assert bank.status(order_id) == 6
    assert bank.http.post("/rest/getLastOrdersForMerchants.do", data=LOGIN).status_code == 500


@pytest.mark.parametrize(
    ("fault", "registered_meanwhile"), [("hang", []), ("register_hangs", ["n1"])]
)
def test_call_that_hangs_is_answered_when_the_fault_is_off(
    bank: BankHarness, fault: str, registered_meanwhile: list[str]
) -> None:
    switch_on(bank, **{fault: True})
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(bank.register, "n1")
        if registered_meanwhile:
            eventually(bank.list.all_orders, "the order is registered")
        assert bank.http.get("/healthz").status_code == 200, "only the bank's business hangs"
        assert [order.order_number for order in bank.list.all_orders()] == registered_meanwhile
        assert not call.done()
        bank.http.delete("/admin/faults")
        assert bank.status(call.result(timeout=10)) == 0


def test_bank_that_stops_answers_what_hangs(bank: BankHarness) -> None:
    switch_on(bank, hang=True)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(bank.http.post, "/rest/register.do", data=LOGIN)
        bank.faults.release()
        assert call.result(timeout=10).status_code == 503


def test_chaos_draws_every_fault_of_an_occasion_and_repeats_itself() -> None:
    off = Faults()
    draws: list[list[Faults]] = []
    for _ in range(2):
        switch = FaultSwitch()
        switch.change({"chaos": 1.0, "chaos_seed": 7})
        draws.append([switch.drawn(occasion) for occasion in OCCASIONS for _ in range(100)])
    assert draws[0] == draws[1]
    names = {name for occasion in OCCASIONS.values() for name in occasion}
    drawn = {
        name for faults in draws[0] for name in names if getattr(faults, name) != getattr(off, name)
    }
    assert drawn == names
    amounts = {faults.charges_other_amount for faults in draws[0]}
    assert amounts == {0, 100, -100}


def test_chaos_leaves_alone_what_it_does_not_draw() -> None:
    switch = FaultSwitch()
    switch.change({"chaos": 0.25, "drop_callbacks": True})
    drawn = [switch.drawn("payment") for _ in range(1000)]
    calm = [faults for faults in drawn if faults == switch.now]
    assert 600 < len(calm) < 900
    assert all(faults.drop_callbacks for faults in drawn)


@pytest.mark.parametrize(
    "body", [{"chaos": 2}, {"chaos": True}, {"chaos_seed": 0.5}, {"charges_other_amount": "1"}]
)
def test_fault_of_the_wrong_type_is_refused(bank: BankHarness, body: dict[str, Any]) -> None:
    assert bank.http.put("/admin/faults", json=body).status_code == 422
