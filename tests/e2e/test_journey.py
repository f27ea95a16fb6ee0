"""The main journey by HTTP and e-mail, then what it left in databases, logs, files and metrics."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.demo import reconciliation
from deploy.demo.client import CabinetClient
from deploy.demo.company import demo_accounts
from deploy.demo.journey import run_journey
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey
from deploy.demo.report import Report
from deploy.embedded.installation import Installation
from services.ledger.domain.book import BOOK_EVENTS
from shared.config import SERVICES
from shared.keys import parse_ring
from tests.e2e.clear_text import found_in, texts_of_database, texts_of_files
from tests.e2e.scraping import check_metrics
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

IDENTITY = [
    "registration_started", "registration_code_requested", "registration_confirmed",
    "person_registered", "temporary_password_issued", "password_changed", "profile_changed",
]  # fmt: skip
OF_THE_BOOK = {event.topic.split(".")[1] for event in BOOK_EVENTS}
PAYMENTS = [
    "payment_started", "order_registered", "payment_captured", "line_posted", "payment_completed",
]  # fmt: skip
FISCAL = ["fiscal_receipt_requested", "fiscal_receipt_registered"]
"""Beside the others: the cash register takes its time."""
HISTORY = [
    "identity.registration_started", "notifications.letter_queued registration_code",
    "identity.registration_confirmed", "identity.person_registered",
    "notifications.letter_queued temporary_password", "identity.temporary_password_issued",
    "identity.password_changed", "identity.profile_changed", "accounts.account_linked",
    "payments.payment_started", "payments.order_registered", "payments.payment_captured",
    "ledger.payment_posted", "payments.line_posted", "payments.payment_completed",
    "notifications.letter_queued payment_receipt", "helpdesk.question_asked",
    "notifications.letter_queued question_accepted",
    "notifications.letter_queued question_to_department",
]  # fmt: skip
LETTERS = {
    "registration_code", "temporary_password", "password_changed", "payment_receipt",
    "question_accepted", "question_to_department",
}  # fmt: skip

_EVENTS = """
SELECT '{0}' AS service, split_part(topic, '.', 2) AS name, notification_id AS position,
       recorded_at, correlation_id, convert_from(state, 'UTF8')::jsonb AS state
  FROM {0}.events ORDER BY notification_id
"""


def test_customer_registers_links_pays_and_asks(
    installation: Installation,
) -> None:
    environment = installation.environment
    database_url = environment["SALDO_DATABASE_URL"]
    report = Report()
    journey = run_journey(
        CabinetClient(environment["SALDO_URL"]),
        report,
        Mailbox(Path(environment["SALDO_MAIL_DIR"])),
        demo_accounts(),
    )
    assert journey.number == "0100000001"
    assert len(report.steps) == 20
    outbox = "SELECT 1 FROM notifications.outbox"
    eventually(lambda: not _rows(database_url, outbox), "every letter is recorded as sent")

    registered = "SELECT 1 FROM payments.fiscal_receipts WHERE state = 'registered'"
    eventually(lambda: _rows(database_url, registered), "the fiscal receipt is registered")

    _check_event_history(database_url, journey)
    _check_that_no_secret_is_in_clear(installation, journey)
    check_metrics(environment)
    snapshot = reconciliation.take_snapshot(database_url, reconciliation.acquirer_urls(environment))
    assert snapshot.sums == dict.fromkeys(snapshot.sums, journey.paid.total if journey.paid else 0)
    assert reconciliation.compare(snapshot) == []
    assert reconciliation.parked_messages(database_url) == []
    assert reconciliation.audit() == []


def _check_event_history(database_url: str, journey: Journey) -> None:
    events = {service: _rows(database_url, _EVENTS.format(service)) for service in SERVICES}
    names = {service: [event["name"] for event in logged] for service, logged in events.items()}
    assert names["identity"] == IDENTITY
    assert names["accounts"] == ["contract_registered"] * 40 + ["account_linked"]
    assert [name for name in names["payments"] if name not in FISCAL] == PAYMENTS
    assert [name for name in names["payments"] if name in FISCAL] == FISCAL
    of_accounts = [name for name in names["ledger"] if name not in OF_THE_BOOK]
    assert of_accounts[:40] == ["account_opened"] * 40
    assert set(of_accounts[40:-2]) == {"charges_posted", "penalty_accrued"}
    # What is paid of the penalty of today is accrued with the payment.
    assert of_accounts[-2:] == ["penalty_accrued", "payment_posted"]
    assert names["helpdesk"] == ["question_asked"]
    for logged in events.values():
        assert [event["position"] for event in logged] == list(range(1, len(logged) + 1))

    letters = [event["state"]["kind"] for event in events["notifications"]]
    assert sorted(letters) == sorted([*LETTERS, *LETTERS]), "each queued once and sent once"

    moments = _moments(events)
    assert sorted(HISTORY, key=moments.__getitem__) == HISTORY
    correlation_ids = {
        event["correlation_id"]
        for service in ("ledger", "payments")
        for event in events[service]
        if event["name"] in {"payment_captured", "payment_posted", "payment_completed"}
    }
    assert len(correlation_ids) == 1, "capture, posting and completion have one correlation id"
    (posted,) = (event["state"] for event in events["ledger"] if event["name"] == "payment_posted")
    assert posted["payment_id"] == journey.payment_id


def _moments(events: dict[str, list[dict[str, Any]]]) -> dict[str, datetime]:
    """Return when each event was recorded, by its name; letters also by their kind."""
    moments: dict[str, datetime] = {}
    for service, logged in events.items():
        for event in logged:
            name = f"{service}.{event['name']}"
            if service == "notifications":
                name += f" {event['state']['kind']}"
            moments[name] = event["recorded_at"]
    return moments


def _check_that_no_secret_is_in_clear(installation: Installation, journey: Journey) -> None:
    secrets = journey.person.secrets()
    secrets["local digits of the telephone"] = secrets["telephone"][-10:]
    for account in demo_accounts():
        secrets[f"holder of {account.number}"] = account.holder
        secrets[f"address of {account.number}"] = account.address
    for name in (
        "SALDO_ACQUIRER_PASSWORD",
        "SALDO_ACQUIRER_SECRET",
        "SALDO_ACQUIRER_KASSA_PASSWORD",
    ):
        secrets[name] = installation.environment[name]
    for ring in installation.state.keys.iterdir():
        [key] = parse_ring(ring.read_text(encoding="ascii"))
        secrets[ring.name] = key.secret.hex()
    secrets["key of the seal"] = (installation.state.seal / "key").read_text("ascii").strip()
    assert all(secrets.values())
    logs = sorted(installation.state.log.glob("*.log"))
    assert {"serve.log", "work.log", "seal.log", "gateway.log", "acquirer.log"} <= {
        log.name for log in logs
    }
    folders = [installation.state.root / name for name in ("acquirer", "yookassa")]
    kept = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    assert {path.parent for path in kept} == set(folders), "each keeps its orders in a file"

    # The search finds what is there, so that finding nothing means something.
    harmless = {"payment": journey.payment_id, "order": journey.payment_id.replace("-", "")}
    database = list(texts_of_database(installation.environment["SALDO_DATABASE_URL"]))
    assert "payment in ledger.events.state" in found_in(database, harmless)
    assert "order in acquirer.log" in found_in(texts_of_files(logs), harmless)

    assert found_in(database, secrets) == set()
    assert found_in(texts_of_files([*logs, *kept]), secrets) == set()


def _rows(database_url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()
