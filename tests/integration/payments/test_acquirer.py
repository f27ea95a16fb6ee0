"""The acquirer's protocol, spoken with the simulated one: pages, callbacks, orders."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit
from uuid import uuid4

import requests

from services.payments.acquirers import (
    Acquirer,
    Callback,
    NewOrder,
    NumberTaken,
    OrderReport,
    OrderState,
    Registered,
)
from services.payments.acquirers.rbs.responses import OrderStatus
from tests.integration.payments.bank_process import (
    ASKS,
    DECLINES,
    PASSWORD,
    PAYS,
    SECRET,
    BankProcess,
    Merchant,
    press_pay,
    submit,
)
from tests.waiting import eventually


def register(acquirer: Acquirer, merchant: Merchant, **changes: Any) -> tuple[str, Registered]:
    number = uuid4().hex
    order = {
        "order_number": number,
        "amount": 451_250,
        "description": "Оплата по лицевым счетам",
        "return_url": f"{merchant.url}/payments/1",
        "session_seconds": 1200,
    }
    registered = acquirer.register(NewOrder(**(order | changes)))
    assert isinstance(registered, Registered)
    return number, registered


def reported(acquirer: Acquirer, number: str) -> OrderReport:
    report = acquirer.find_order(number, None)
    assert isinstance(report, OrderReport)
    return report


def test_card_is_charged_on_the_page_and_called_back(
    acquirer: Acquirer, merchant: Merchant, bank: BankProcess
) -> None:
    number, registered = register(acquirer, merchant)
    assert reported(acquirer, number).state is OrderState.PENDING
    assert bank.orders()[number]["status"] == OrderStatus.REGISTERED
    back = press_pay(registered.form_url, PAYS)
    assert back.status_code == 303
    assert back.headers["Location"].startswith(f"{merchant.url}/payments/1?")
    query = parse_qs(urlsplit(back.headers["Location"]).query)
    assert query["orderId"] == [registered.order_id]
    report = reported(acquirer, number)
    assert (report.state, report.charged) == (OrderState.PAID, 451_250)
    assert report.masked_card == "411111**1111"
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    assert acquirer.read_callback(got) == Callback(number)
    assert (got["mdOrder"], got["operation"], got["status"]) == (
        registered.order_id,
        "deposited",
        "1",
    )


def test_card_is_declined_or_charged_after_a_code(
    acquirer: Acquirer, merchant: Merchant, bank: BankProcess
) -> None:
    number, registered = register(acquirer, merchant)
    assert press_pay(registered.form_url, DECLINES).status_code == 303
    assert reported(acquirer, number).state is OrderState.DECLINED
    assert eventually(lambda: merchant.of(number), "the callback")[0]["status"] == "0"

    number, registered = register(acquirer, merchant)
    to_code = press_pay(registered.form_url, ASKS)
    assert reported(acquirer, number).state is OrderState.PENDING
    assert bank.orders()[number]["status"] == OrderStatus.ACS_STARTED
    page = requests.get(urljoin(registered.form_url, to_code.headers["Location"]), timeout=5)
    shown = re.search(r"Введите код <b>(\d+)</b>", page.text)
    assert shown is not None
    done = submit(page, {"code": shown[1]})
    assert done.headers["Location"].startswith(f"{merchant.url}/payments/1")
    assert reported(acquirer, number).state is OrderState.PAID


def test_number_registers_once(acquirer: Acquirer, merchant: Merchant) -> None:
    number, _ = register(acquirer, merchant)
    order = NewOrder(
        order_number=number,
        amount=1,
        description="",
        return_url=merchant.url,
        session_seconds=1200,
    )
    assert acquirer.register(order) == NumberTaken()


def test_session_expires_by_itself(acquirer: Acquirer, merchant: Merchant) -> None:
    number, _ = register(acquirer, merchant, session_seconds=1)
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    assert got["operation"] == "declinedByTimeout"
    report = reported(acquirer, number)
    assert (report.state, report.reason) == (OrderState.EXPIRED, "-2007")


def test_callback_survives_kill_9_and_is_repeated_until_200(
    acquirer: Acquirer, merchant: Merchant, bank: BankProcess
) -> None:
    merchant.status = 503
    number, registered = register(acquirer, merchant)
    press_pay(registered.form_url, PAYS)
    eventually(lambda: merchant.of(number), "the first attempt")
    bank.kill()
    bank.start()
    assert reported(acquirer, number).state is OrderState.PAID
    merchant.status = 200
    before = len(merchant.of(number))
    eventually(lambda: len(merchant.of(number)) > before, "another attempt")


def test_bank_log_holds_no_card(bank: BankProcess) -> None:
    text = bank.log.read_text()
    assert "merchant_call" in text
    # More of a card than the six digits and the last four that a masked one shows; fewer digits
    # also occur in times, ports and ids.
    assert not re.search(r"(4111|4000)[ -]?\d{4}[ -]?\d{4}", text)
    for secret in (PASSWORD, SECRET):
        assert secret not in text
