"""Payments with the simulated acquirer as a process, and a real PostgreSQL."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
import requests

from services.payments import application
from services.payments.acquirers import (
    Acquirer,
    Callback,
    NewOrder,
    NumberTaken,
    OrderReport,
    OrderState,
    Registered,
    open_acquirer,
)
from services.payments.acquirers.rbs import OrderStatus
from services.payments.application import History, OwnPayment
from services.payments.callback import receive_callback
from services.payments.checkout import Checkout
from services.payments.domain import Line, payment_id_of
from services.payments.jobs import poll_due
from services.payments.reactions import payment_posted
from shared import context
from shared.bus import Message
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import Conflict, NotFound, Unavailable

PASSWORD, SECRET = "acquirer-password", "callback-key"
PAYS, DECLINES, ASKS = "4111 1111 1111 1111", "4000 0000 0000 0002", "4000 0000 0000 3220"
PATIENCE = 20.0


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Merchant:
    """The merchant's side of callbacks: records them, and responds with `status`."""

    def __init__(self) -> None:
        self.callbacks: list[dict[str, str]] = []
        self.status = 200
        merchant = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if urlsplit(self.path).path == "/api/v1/acquirer/callback":
                    merchant.callbacks.append(dict(parse_qsl(urlsplit(self.path).query)))
                self.send_response(merchant.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """The test looks at what came, not at lines."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def of(self, order_number: str) -> list[dict[str, str]]:
        return [got for got in self.callbacks if got["orderNumber"] == order_number]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class BankProcess:
    """`python -m deploy.doubles.acquirer`, to be killed and started again on the same folder."""

    def __init__(self, folder: Path, merchant: Merchant) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = os.environ | {
            "SALDO_ACQUIRER_URL": self.url,
            "SALDO_ACQUIRER_USER": "saldo",
            "SALDO_ACQUIRER_PASSWORD": PASSWORD,
            "SALDO_ACQUIRER_SECRET": SECRET,
            "SALDO_URL": merchant.url,
            "SALDO_STATE_DIR": str(folder),
        }
        self.log = folder / "acquirer.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.doubles.acquirer"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        until(self._answers, "the acquirer answers")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(timeout=15)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/healthz", timeout=1).ok
        except requests.ConnectionError:
            return False

    def faults(self, **faults: Any) -> None:
        requests.put(f"{self.url}/admin/faults", json=faults, timeout=5).raise_for_status()

    def orders(self) -> dict[str, dict[str, Any]]:
        listed = requests.get(f"{self.url}/admin/orders", timeout=5).json()["orders"]
        return {order["orderNumber"]: order for order in listed}


@pytest.fixture(scope="module")
def merchant() -> Iterator[Merchant]:
    merchant = Merchant()
    yield merchant
    merchant.close()


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, merchant: Merchant) -> Iterator[BankProcess]:
    bank = BankProcess(tmp_path_factory.mktemp("bank"), merchant)
    yield bank
    assert bank.stop() == 0


@pytest.fixture(autouse=True)
def no_faults(bank: BankProcess, merchant: Merchant) -> None:
    requests.delete(f"{bank.url}/admin/faults", timeout=5).raise_for_status()
    merchant.status = 200


@pytest.fixture
def acquirer(bank: BankProcess) -> Acquirer:
    return open_acquirer(
        Settings(
            amqp_url="",
            secret=bytes(32),
            acquirer_url=bank.url,
            acquirer_user="saldo",
            acquirer_password=PASSWORD,
            acquirer_secret=SECRET,
        )
    )


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


def press_pay(form_url: str, card: str) -> requests.Response:
    """Fill in the form as a browser does: find it, post its fields to its action."""
    page = requests.get(form_url, timeout=5)
    return _submit(page, {"card_number": card, "expiry": "12/30", "cvc": "123"})


def _submit(page: requests.Response, values: dict[str, str]) -> requests.Response:
    form = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert form is not None
    assert set(re.findall(r'<input id="\w+" name="(\w+)"', page.text)) == set(values)
    return requests.post(urljoin(page.url, form[1]), data=values, timeout=5, allow_redirects=False)


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
    got = until(lambda: merchant.of(number), "the callback")[0]
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
    assert until(lambda: merchant.of(number), "the callback")[0]["status"] == "0"

    number, registered = register(acquirer, merchant)
    to_code = press_pay(registered.form_url, ASKS)
    assert reported(acquirer, number).state is OrderState.PENDING
    assert bank.orders()[number]["status"] == OrderStatus.ACS_STARTED
    page = requests.get(urljoin(registered.form_url, to_code.headers["Location"]), timeout=5)
    shown = re.search(r"Введите код <b>(\d+)</b>", page.text)
    assert shown is not None
    done = _submit(page, {"code": shown[1]})
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
    got = until(lambda: merchant.of(number), "the callback")[0]
    assert got["operation"] == "declinedByTimeout"
    report = reported(acquirer, number)
    assert (report.state, report.reason) == (OrderState.EXPIRED, "-2007")


def test_callback_survives_kill_9_and_is_repeated_until_200(
    acquirer: Acquirer, merchant: Merchant, bank: BankProcess
) -> None:
    merchant.status = 503
    number, registered = register(acquirer, merchant)
    press_pay(registered.form_url, PAYS)
    until(lambda: merchant.of(number), "the first attempt")
    bank.kill()
    bank.start()
    assert reported(acquirer, number).state is OrderState.PAID
    merchant.status = 200
    before = len(merchant.of(number))
    until(lambda: len(merchant.of(number)) > before, "another attempt")


def test_bank_log_holds_no_card(bank: BankProcess) -> None:
    text = bank.log.read_text()
    assert "merchant_call" in text
    # More of a card than the six digits and the last four that a masked one shows; fewer digits
    # also occur in times, ports and ids.
    assert not re.search(r"(4111|4000)[ -]?\d{4}[ -]?\d{4}", text)
    for secret in (PASSWORD, SECRET):
        assert secret not in text


class PaymentHarness:
    """The payments service on PostgreSQL and the bank process, without the bus."""

    def __init__(self, store: Any, acquirer: Acquirer, merchant: Merchant) -> None:
        self.store = store
        self.acquirer = acquirer
        self.person_id = uuid4()
        self.checkout = Checkout(
            store,
            acquirer,
            SystemClock(),
            lambda _person, _numbers: [],
            f"{merchant.url}/payments/{{payment_id}}",
        )

    def start(self, *lines: Line, command_id: UUID | None = None) -> dict[str, Any]:
        with context.bind(command_id=command_id or uuid4()):
            return self.checkout.start(self.person_id, lines)

    def view(self, started: dict[str, Any]) -> dict[str, Any]:
        query = OwnPayment(person_id=self.person_id, payment_id=UUID(started["payment_id"]))
        view: dict[str, Any] = self.store.query(lambda s: application.own_payment(s, query))
        return view

    def ledger_posts(self, payment_id: str, account: str, position: int) -> None:
        data = {"payment_id": payment_id, "account": account, "amount": 1, "penalty": 0}
        message = Message(
            id=f"ledger-{position}",
            type="payment_posted",
            source="ledger",
            subject=account,
            time=SystemClock().now(),
            position=position,
            predecessor=position - 1,
            correlation_id="",
            data=data,
        )
        nothing: Any = None
        self.store.transact(lambda session, _: payment_posted(session, message, nothing), None)


@pytest.fixture
def harness(database: Any, acquirer: Acquirer, merchant: Merchant) -> PaymentHarness:
    return PaymentHarness(database.store("payments"), acquirer, merchant)


ONE, TWO = Line("0001", 450_000, 1_250), Line("0002", 0, 700)


@pytest.mark.nodes
def test_payment_goes_from_its_start_to_the_ledger(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    command_id = uuid4()
    started = harness.start(ONE, TWO, command_id=command_id)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = until(lambda: merchant.of(number), "the callback")[0]
    for _ in range(2):
        receive_callback(harness.store, harness.acquirer, got)
    assert harness.view(started)["state"] == "captured"
    for _ in range(2):
        harness.ledger_posts(started["payment_id"], "0001", 1)
        harness.ledger_posts(started["payment_id"], "0002", 2)
    shown = harness.view(started)
    assert shown["state"] == "completed"
    assert shown["masked_card"] == "411111**1111"
    assert [(line["account"], line["posted"]) for line in shown["lines"]] == [
        ("0001", True),
        ("0002", True),
    ]
    assert harness.start(ONE, TWO, command_id=command_id) == started
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert [topic.split(".")[1] for topic in topics] == [
        "payment_started",
        "order_registered",
        "payment_captured",
        "line_posted",
        "line_posted",
        "payment_completed",
    ]


@pytest.mark.nodes
def test_job_captures_after_a_dropped_callback(
    harness: PaymentHarness, bank: BankProcess, database: Any
) -> None:
    bank.faults(drop_callbacks=True, error_after_charge=True)
    started = harness.start(ONE)
    assert press_pay(started["redirect_url"], PAYS).status_code == 500
    assert poll_due(harness.store, harness.acquirer) == 0
    with psycopg.connect(database.settings.database_url_of("payments")) as connection:
        connection.execute("UPDATE payments.polls SET due_at = now()")
    assert poll_due(harness.store, harness.acquirer) == 1
    assert harness.view(started)["state"] == "captured"
    number = UUID(started["payment_id"]).hex
    assert bank.orders()[number]["amount"] == harness.view(started)["total"]


@pytest.mark.nodes
def test_lost_registration_never_charges_twice(
    harness: PaymentHarness, bank: BankProcess, database: Any
) -> None:
    bank.faults(lose_register_answer=True)
    command_id = uuid4()
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    bank.faults(lose_register_answer=False)
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    with psycopg.connect(database.settings.database_url_of("payments")) as connection:
        connection.execute("UPDATE payments.payments SET created_at = now() - interval '1 min'")
    with pytest.raises(Conflict) as refusal:
        harness.start(ONE, command_id=command_id)
    assert refusal.value.code == "payment_must_be_restarted"
    number = payment_id_of(harness.person_id, command_id).hex
    assert bank.orders()[number]["status"] == OrderStatus.REGISTERED


@pytest.mark.nodes
def test_concurrent_starts_of_one_command_make_one_order(
    harness: PaymentHarness, bank: BankProcess
) -> None:
    command_id = uuid4()

    def attempt(_: int) -> dict[str, Any]:
        return until(lambda: _started_or_none(harness, command_id), "the start")  # type: ignore[no-any-return]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, range(6)))
    assert all(answer == answers[0] for answer in answers)
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert topics == ["payments.payment_started.v1", "payments.order_registered.v1"]
    assert UUID(answers[0]["payment_id"]).hex in bank.orders()


def _started_or_none(harness: PaymentHarness, command_id: UUID) -> dict[str, Any] | None:
    """Start a payment; None while the same command is under way."""
    try:
        return harness.start(ONE, command_id=command_id)
    except Unavailable:
        return None


@pytest.mark.nodes
def test_concurrent_callbacks_credit_one_charge_once(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    started = harness.start(ONE)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = until(lambda: merchant.of(number), "the callback")[0]
    with ThreadPoolExecutor(6) as pool:
        for answer in pool.map(
            lambda _: receive_callback(harness.store, harness.acquirer, got), range(12)
        ):
            assert answer == {"accepted": True}
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert topics.count("payments.payment_captured.v1") == 1


@pytest.mark.nodes
def test_history_shows_failed_and_open_payments(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    declined, open_ = harness.start(ONE), harness.start(TWO)
    press_pay(declined["redirect_url"], DECLINES)
    number = UUID(declined["payment_id"]).hex
    got = until(lambda: merchant.of(number), "the callback")[0]
    receive_callback(harness.store, harness.acquirer, got)
    assert harness.view(declined)["failure"] == "declined"

    def page(before: str | None) -> dict[str, Any]:
        query = History(person_id=harness.person_id, before=before, limit=1)
        found: dict[str, Any] = harness.store.query(lambda s: application.history(s, query))
        return found

    first = page(None)
    assert [payment["payment_id"] for payment in first["payments"]] == [open_["payment_id"]]
    second = page(first["next"])
    assert [payment["state"] for payment in second["payments"]] == ["failed"]
    assert second["next"] is None
    of_another = OwnPayment(person_id=uuid4(), payment_id=UUID(open_["payment_id"]))
    with pytest.raises(NotFound):
        harness.store.query(lambda s: application.own_payment(s, of_another))


@pytest.mark.nodes
def test_database_holds_no_card(harness: PaymentHarness, merchant: Merchant) -> None:
    started = harness.start(ONE)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = until(lambda: merchant.of(number), "the callback")[0]
    receive_callback(harness.store, harness.acquirer, got)
    states = b"".join(bytes(logged.state) for logged in harness.store.log_after(0, 100))
    assert b"411111**1111" in states
    assert re.search(rb"4111 ?1111 ?1111 ?1111", states) is None
