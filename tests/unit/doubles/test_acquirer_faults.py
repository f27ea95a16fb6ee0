"""The faults of the simulated bank that concern registration, charge and status."""

from __future__ import annotations

from typing import Any

import pytest
from bank_doubles import PAYS, BankHarness

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
    assert bank.orders.all_orders() == []


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
