"""Two acquirers at once: what the first does not take, the second does, in steps of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from deploy.demo import reconciliation
from deploy.demo.acquirer_page import DECLINED, Payer
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.company import demo_accounts
from deploy.demo.journey import register, set_up_cabinet, wait_until_completed
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey
from deploy.demo.report import Report
from tests.conftest import Database
from tests.demo_installation import demo_installation
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

ACCOUNT = "0100000017"
AMOUNT = 123_45


@dataclass(frozen=True)
class Town:
    """An installation whose first acquirer registers nothing, and a person who pays there."""

    environment: dict[str, str]
    client: CabinetClient

    @property
    def kassa(self) -> str:
        return self.environment["SALDO_ACQUIRER_KASSA_URL"]

    def start(self) -> dict[str, Any]:
        """Start a payment; the second acquirer has its page."""
        started = self.client.start_payment([PaymentLine(ACCOUNT, AMOUNT)], str(uuid4()))
        assert str(started["redirect_url"]).startswith(self.kassa)
        return started

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.kassa}/admin/orders", timeout=5).json()[
            "orders"
        ]
        return found

    def agrees(self) -> bool:
        """Return whether both acquirers, payments and ledger say the same, to the kopeck."""
        urls = reconciliation.acquirer_urls(self.environment)
        snapshot = reconciliation.take_snapshot(self.environment["SALDO_DATABASE_URL"], urls)
        return reconciliation.compare(snapshot) == []


def switch(url: str, **faults: bool) -> None:
    requests.put(f"{url}/admin/faults", json=faults, timeout=5).raise_for_status()


@pytest.fixture(scope="module")
def town(
    module_database: Database, module_bus: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("second-acquirer") / "saldo"
    with demo_installation(module_database.settings, folder) as running:
        environment = dict(running.environment)
        switch(environment["SALDO_ACQUIRER_URL"], lose_register_call=True)
        mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
        journey = Journey(CabinetClient(environment["SALDO_URL"]), Report(), mailbox, [])
        register(journey)
        set_up_cabinet(journey)
        proofs = {account.number: account.proof for account in demo_accounts()}
        journey.client.link(ACCOUNT, proofs[ACCOUNT])
        yield Town(environment, journey.client)


def test_second_acquirer_takes_what_the_first_does_not(town: Town) -> None:
    started = town.start()
    back = Payer().pay(started["redirect_url"])
    assert back.startswith(f"{town.environment['SALDO_URL']}/payments/{started['payment_id']}")
    payment = wait_until_completed(town.client, started["payment_id"])
    assert payment["masked_card"] == "411111**1111"
    assert [one["charged"] for one in town.orders()] == [AMOUNT]
    eventually(town.agrees, "both acquirers, payments and ledger agree")


def test_held_sum_is_charged_without_a_notification(town: Town) -> None:
    """Nobody calls back and nobody returns: the schedule finds what is held, and captures it."""
    switch(town.kassa, drop_callbacks=True)
    started = town.start()
    Payer().pay(started["redirect_url"])
    switch(town.kassa, drop_callbacks=False)
    eventually(
        lambda: town.client.payment(started["payment_id"])["state"] == "completed",
        "the payment is completed by polling",
        seconds=60,
    )
    eventually(town.agrees, "both acquirers, payments and ledger agree")


def test_notification_alone_credits_nothing(town: Town) -> None:
    started = town.start()
    order = town.orders()[-1]
    told = {
        "type": "notification",
        "event": "payment.succeeded",
        "object": {
            "id": order["orderId"],
            "status": "succeeded",
            "paid": True,
            "metadata": {"order_number": order["orderNumber"]},
        },
    }
    url = f"{town.environment['SALDO_URL']}/api/v1/acquirer/kassa/callback"
    answer = requests.post(url, json=told, timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"accepted": True})
    assert town.client.payment(started["payment_id"])["state"] == "awaiting_payment"

    Payer().pay(started["redirect_url"], DECLINED)
    eventually(
        lambda: town.client.payment(started["payment_id"])["state"] == "failed",
        "the declined payment has failed",
    )
    assert town.orders()[-1]["charged"] == 0
    assert town.agrees()


def test_payer_may_choose_the_acquirer(town: Town) -> None:
    main = town.environment["SALDO_ACQUIRER_URL"]
    switch(main, lose_register_call=False)
    body = {"lines": [{"account": ACCOUNT, "amount": AMOUNT, "penalty": 0}], "acquirer": "kassa"}
    started = town.client.call("POST", "/payments", body, key=str(uuid4()))
    assert started["redirect_url"].startswith(town.kassa)
    Payer().pay(started["redirect_url"])
    wait_until_completed(town.client, started["payment_id"])
    by_default = town.client.start_payment([PaymentLine(ACCOUNT, AMOUNT)], str(uuid4()))
    assert str(by_default["redirect_url"]).startswith(main)
    Payer().pay(by_default["redirect_url"])
    wait_until_completed(town.client, by_default["payment_id"])
    eventually(town.agrees, "both acquirers, payments and ledger agree")


def test_callback_for_an_acquirer_that_is_not_there_is_refused(town: Town) -> None:
    url = f"{town.environment['SALDO_URL']}/api/v1/acquirer/spare/callback"
    answer = requests.post(url, json={"id": "1"}, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (404, "acquirer_not_found")
