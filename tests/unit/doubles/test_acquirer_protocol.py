"""The merchant's calls, the payer's pages, and the callbacks queued."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bank_doubles import ASKS_FOR_CODE, DECLINES, PAYS, BankHarness

from deploy.doubles.acquirer.signature import checksum


def test_checksum_matches_the_worked_example() -> None:
    parameters = {
        "mdOrder": "3ff6962a-7dcc-4283-ab50-a6d7dd3386fe",
        "operation": "deposited",
        "orderNumber": "10747",
        "status": "1",
    }
    assert checksum(parameters, "secret") == (
        "0A40D6D0B2BC3B75C4B4B28CD5E4C8F75D0D9ADB50546D05A576828A55A17A8B"
    )


def test_valid_card_is_charged(bank: BankHarness) -> None:
    order_id = bank.register()
    page = bank.http.get("/payment/page", query_string={"mdOrder": order_id}).text
    assert re.findall(r'name="(\w+)"', page)[1:] == ["card_number", "expiry", "cvc"]
    assert "Оплатить</button>" in page
    assert "4\u00a0500,00\u00a0₽" in page
    response = bank.enter_card(order_id, PAYS)
    assert response.status_code == 303
    assert response.location == f"http://merchant.example/back?tab=1&orderId={order_id}&lang=ru"
    report = bank.call("getOrderStatusExtended.do", orderNumber="n1")
    assert report["orderStatus"] == 2
    assert report["paymentAmountInfo"]["depositedAmount"] == report["amount"] == 450_000
    assert report["cardAuthInfo"]["maskedPan"] == "411111**1111"
    assert report["authDateTime"] == bank.now
    assert [(c.operation, c.status) for c in bank.callbacks()] == [("deposited", 1)]


def test_second_submit_charges_nothing(bank: BankHarness) -> None:
    order_id = bank.register()
    assert bank.enter_card(order_id, PAYS).location == bank.enter_card(order_id, PAYS).location
    assert bank.enter_card(order_id, DECLINES).status_code == 303
    assert bank.status(order_id) == 2
    assert len(bank.callbacks()) == 1


def test_declined_card_returns_to_the_fail_url(bank: BankHarness) -> None:
    order_id = bank.register()
    response = bank.enter_card(order_id, DECLINES)
    assert response.location == f"http://merchant.example/failed?orderId={order_id}&lang=ru"
    assert bank.status(order_id) == 6
    assert [(c.operation, c.status) for c in bank.callbacks()] == [("deposited", 0)]


def test_3ds_card_is_charged_after_the_right_code(bank: BankHarness) -> None:
    order_id = bank.register()
    to_code = bank.enter_card(order_id, ASKS_FOR_CODE)
    assert to_code.location == f"/payment/code?mdOrder={order_id}"
    assert bank.status(order_id) == 5
    page = bank.http.get(to_code.location).text
    shown = re.search(r"Введите код <b>(\d+)</b>", page)
    assert shown is not None
    assert bank.enter_code(order_id, "").status_code == 422
    assert bank.enter_code(order_id, "000000").status_code == 422
    done = bank.enter_code(order_id, shown[1])
    assert done.location.startswith("http://merchant.example/back")
    assert bank.status(order_id) == 2


def test_three_wrong_codes_decline_the_payment(bank: BankHarness) -> None:
    order_id = bank.register()
    bank.enter_card(order_id, ASKS_FOR_CODE)
    answers = [bank.enter_code(order_id, "000000").status_code for _ in range(3)]
    assert answers == [422, 422, 303]
    assert bank.status(order_id) == 6
    assert bank.enter_code(order_id, "123456").location.startswith("http://merchant.example/fail")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"card_number": "4111 1111 1111 1112"}, "card_number"),
        ({"card_number": "5555 5555 5555 4444"}, "card_number"),
        ({"card_number": "4111<script>"}, "card_number"),
        ({"expiry": "13/30"}, "expiry"),
        ({"expiry": "01/20"}, "expiry"),
        ({"cvc": "12"}, "cvc"),
        ({"cvc": ""}, "cvc"),
    ],
)
def test_invalid_form_names_the_field_and_echoes_nothing(
    bank: BankHarness, changes: dict[str, str], field: str
) -> None:
    order_id = bank.register()
    form = {
        "number": PAYS,
        **{("number" if k == "card_number" else k): v for k, v in changes.items()},
    }
    response = bank.enter_card(order_id, **form)
    assert response.status_code == 422
    assert re.findall(r'id="(\w+)-problem"', response.text) == [field]
    entered = changes.get("card_number", "")
    assert not entered or entered not in response.text
    assert bank.status(order_id) == 0


@pytest.mark.parametrize("expiry", ["12/30", "1230", "12 / 30", "12/2030", "12.30"])
def test_expiry_is_accepted_in_common_notations(bank: BankHarness, expiry: str) -> None:
    assert bank.enter_card(bank.register(), PAYS, expiry=expiry).status_code == 303


def test_session_expires_into_a_decline(bank: BankHarness) -> None:
    order_id = bank.register(sessionTimeoutSecs=60)
    bank.now += 60_000
    assert bank.enter_card(order_id, PAYS).location.startswith("http://merchant.example/failed")
    report = bank.call("getOrderStatusExtended.do", orderId=order_id)
    assert (report["orderStatus"], report["actionCode"]) == (6, -2007)
    assert [(c.operation, c.status) for c in bank.callbacks()] == [("declinedByTimeout", 1)]


def test_order_number_registers_once_at_the_bank(bank: BankHarness) -> None:
    bank.register("n1")
    again = bank.call(
        "register.do", orderNumber="n1", amount=1, returnUrl="http://m.example", failUrl=""
    )
    assert again["errorCode"] == "1"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "wrong"}, "5"),
        ({"amount": "0"}, "5"),
        ({"amount": "-5"}, "5"),
        ({"amount": "1.5"}, "5"),
        ({"amount": "٣"}, "5"),
        ({"amount": ""}, "4"),
        ({"orderNumber": ""}, "4"),
        ({"returnUrl": "javascript:alert(1)"}, "4"),
        ({"currency": "840"}, "3"),
    ],
)
def test_invalid_registration_is_refused(
    bank: BankHarness, changes: dict[str, str], code: str
) -> None:
    parameters = {"orderNumber": "n1", "amount": "100", "returnUrl": "http://m.example"}
    assert bank.call("register.do", **{**parameters, **changes})["errorCode"] == code
    assert bank.list.all_orders() == []


def test_unknown_orders_and_calls_are_refused(bank: BankHarness) -> None:
    assert bank.call("getOrderStatusExtended.do", orderId="x")["errorCode"] == "6"
    assert bank.call("getOrderStatusExtended.do")["errorCode"] == "4"
    assert bank.call("reverse.do", orderId="x")["errorCode"] == "6"
    assert bank.http.post("/rest/pay.do").status_code == 404
    assert bank.http.get("/payment/page?mdOrder=x").status_code == 404
    assert bank.http.get("/payment/page").status_code == 404


def test_partial_refunds_add_up_to_the_amount_at_most(bank: BankHarness) -> None:
    order_id = bank.register(amount=1000)
    assert bank.call("refund.do", orderId=order_id, amount=1)["errorCode"] == "7"
    bank.enter_card(order_id, PAYS)
    assert bank.call("refund.do", orderId=order_id, amount=400)["errorCode"] == "0"
    assert bank.call("refund.do", orderId=order_id, amount=601)["errorCode"] == "7"
    assert bank.call("refund.do", orderId=order_id, amount=600)["errorCode"] == "0"
    report = bank.call("getOrderStatusExtended.do", orderId=order_id)
    assert (report["orderStatus"], report["paymentAmountInfo"]["refundedAmount"]) == (4, 1000)
    assert [c.operation for c in bank.callbacks()] == ["deposited", "refunded", "refunded"]


def test_refund_that_the_bank_knows_by_its_id_is_made_once(bank: BankHarness) -> None:
    order_id, other = bank.register("n1", amount=1000), bank.register("n2", amount=1000)
    for one in (order_id, other):
        bank.enter_card(one, PAYS)
    for _ in range(2):
        again = bank.call("refund.do", orderId=order_id, amount=400, externalRefundId="r1")
        assert again["errorCode"] == "0"
    assert bank.orders.find(order_id=order_id).returned == 400
    assert len(bank.callbacks()) == 3
    for changes in ({"amount": 401}, {"orderId": other}):
        refund = {"orderId": order_id, "amount": 400, "externalRefundId": "r1", **changes}
        assert bank.call("refund.do", **refund)["errorCode"] == "7"
    bank.call("refund.do", orderId=order_id, amount=400, externalRefundId="r2")
    assert bank.orders.find(order_id=order_id).returned == 800


def test_reversal_is_possible_within_a_day_only(bank: BankHarness) -> None:
    order_id, later = bank.register("n1"), bank.register("n2")
    for order in (order_id, later):
        bank.enter_card(order, PAYS)
    assert bank.call("reverse.do", orderId=order_id)["errorCode"] == "0"
    assert bank.call("reverse.do", orderId=order_id)["errorCode"] == "7"
    bank.now += 25 * 3600 * 1000
    assert bank.call("reverse.do", orderId=later)["errorCode"] == "7"
    assert (bank.status(order_id), bank.status(later)) == (3, 2)


def test_open_order_is_closed_for_the_merchant(bank: BankHarness) -> None:
    order_id, asking, paid = bank.register("n1"), bank.register("n2"), bank.register("n3")
    bank.enter_card(asking, ASKS_FOR_CODE)
    bank.enter_card(paid, PAYS)
    for one in (order_id, asking):
        closed = bank.call("decline.do", orderId=one, merchantLogin="saldo")
        assert closed["errorCode"] == "0"
        report = bank.call("getOrderStatusExtended.do", orderId=one)
        assert (report["orderStatus"], report["actionCode"]) == (6, -100)
    assert bank.enter_card(order_id, PAYS).location.startswith("http://merchant.example/failed")
    assert bank.enter_code(asking, "123456").location.startswith("http://merchant.example/failed")
    for one in (order_id, paid):
        refused = bank.call("decline.do", orderId=one, merchantLogin="saldo")
        assert refused["errorCode"] == "7"
    assert bank.status(paid) == 2
    assert bank.call("decline.do", orderId=paid)["errorCode"] == "4"


@pytest.mark.parametrize(("account", "status"), [("approve", 2), ("decline", 6), ("challenge", 5)])
def test_order_is_paid_by_qr_in_the_application_of_the_payers_bank(
    bank: BankHarness, account: str, status: int
) -> None:
    order_id = bank.register()
    qr = bank.call("sbp/c2b/qr/dynamic/get.do", mdOrder=order_id, qrFormat="matrix")
    assert qr == bank.call("sbp/c2b/qr/dynamic/get.do", mdOrder=order_id), "the same code again"
    assert qr["payload"].startswith("http://bank.example/payment/qr?")
    path = qr["payload"].removeprefix("http://bank.example")
    assert "4\u00a0500,00\u00a0₽" in bank.http.get(path).text
    assert bank.http.post(path, data={"account": "?"}).status_code == 422
    assert bank.http.post(path, data={"account": account}).status_code == 303
    report = bank.call("getOrderStatusExtended.do", orderId=order_id)
    assert report["orderStatus"] == status
    if status == 2:
        assert report["paymentWay"] == "SBP_C2B"
        assert "cardAuthInfo" not in report
    if status == 5:
        assert "Карта" not in bank.http.get(f"/payment/code?mdOrder={order_id}").text
        assert bank.enter_code(order_id, "123456").location.startswith("http://merchant.example/")
        assert bank.status(order_id) == 2
    else:
        gone = bank.call("sbp/c2b/qr/dynamic/get.do", mdOrder=order_id)
        assert gone["errorCode"] == "5"


def report_of(bank: BankHarness, **changes: str) -> dict[str, Any]:
    # The bank's clock stands at 2026-11-18 15:26:40 in Moscow.
    parameters = {
        "from": "20261118000000",
        "to": "20261119000000",
        "transactionStates": "DEPOSITED,REVERSED,REFUNDED",
        **changes,
    }
    return bank.call("getLastOrdersForMerchants.do", **parameters)


def test_report_has_what_was_charged_in_a_period_as_it_is_now(bank: BankHarness) -> None:
    orders = {number: bank.register(number) for number in ("n1", "n2", "n3", "n4", "n5")}
    for number in ("n1", "n2", "n3"):
        bank.now += 1000
        bank.enter_card(orders[number], PAYS)
    bank.enter_card(orders["n4"], DECLINES)
    bank.call("reverse.do", orderId=orders["n1"])
    bank.call("refund.do", orderId=orders["n2"], amount=1000)
    report = report_of(bank)
    told = [(one["orderNumber"], one["orderStatus"]) for one in report["orderStatuses"]]
    assert told == [("n3", 2), ("n2", 4), ("n1", 3)], "the newest first"
    assert (report["errorCode"], report["totalCount"], report["page"]) == ("0", 3, 0)
    assert report["orderStatuses"][1] == bank.call(
        "getOrderStatusExtended.do", orderId=orders["n2"]
    )
    second = report_of(bank, size="2", page="1")
    assert [one["orderNumber"] for one in second["orderStatuses"]] == ["n1"]
    assert second["totalCount"] == 3
    assert report_of(bank, **{"from": "20261119000000", "to": "20261120000000"})["totalCount"] == 0
    every = "CREATED,APPROVED,DEPOSITED,DECLINED,REVERSED,REFUNDED"
    created = report_of(bank, transactionStates=every, searchByCreatedDate="true")
    assert created["totalCount"] == 5


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"from": ""}, "4"),
        ({"from": "20261399000000"}, "5"),
        ({"to": "yesterday"}, "5"),
        ({"transactionStates": "PAID"}, "5"),
        ({"size": "201"}, "5"),
        ({"page": "-1"}, "5"),
    ],
)
def test_invalid_request_for_a_report_is_refused(
    bank: BankHarness, changes: dict[str, str], code: str
) -> None:
    assert report_of(bank, **changes)["errorCode"] == code


def test_neither_card_nor_cvc_reaches_file_or_log(
    bank: BankHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, card in (("n1", PAYS), ("n2", DECLINES), ("n3", ASKS_FOR_CODE)):
        bank.enter_card(bank.register(number), card, cvc="987")
    bank.enter_card(bank.register("n4"), "4111 1111 1111 1112", cvc="987")
    with bank.database.transaction() as db:
        cells = [cell for row in db.execute("SELECT * FROM orders") for cell in tuple(row)]
    assert "987" not in map(str, cells)
    bank.database.close()
    kept = b"".join(path.read_bytes() for path in bank.path.parent.iterdir())
    output = capsys.readouterr()
    for digits in ("4111111111111111", PAYS, "4000000000000002", "4000000000003220"):
        assert digits not in output.out + output.err
        assert digits.encode() not in kept
    assert b"411111**1111" in kept
