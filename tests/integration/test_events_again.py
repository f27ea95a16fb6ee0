"""An event that its owner records again after a restore comes under another id, and has no second
effect: what it is about has an id of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.discovery import reactions_of
from shared.bus import Message
from shared.bus.messages import event_id
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database

pytestmark = pytest.mark.nodes

FIRST, SECOND, NUMBER = "1.0123abcd", "2.4567cdef", "0100000001"
PAYMENT, BANK, REFUND = (str(UUID(int=number)) for number in (1, 2, 3))
LINES = [{"account": NUMBER, "amount": 30_000, "penalty": 0}]

OF_LEDGER: list[tuple[str, str, dict[str, Any]]] = [
    ("accounts", "contract_registered", {"number": NUMBER, "payer_kind": "household"}),
    (
        "accounts",
        "contract_amended",
        {
            "number": NUMBER,
            "payer_kind": "organisation",
            "changed": ["payer_kind"],
            "effective_on": "2026-11-02",
        },
    ),
    (
        "payments",
        "payment_captured",
        {"payment_id": PAYMENT, "lines": LINES, "total": 30_000, "paid_on": "2026-11-03"},
    ),
    (
        "payments",
        "bank_payment_accepted",
        {
            "payment_id": BANK,
            "account": NUMBER,
            "amount": 700,
            "paid_on": "2026-11-03",
            "document": "17",
        },
    ),
    (
        "payments",
        "payment_refunded",
        {
            "payment_id": PAYMENT,
            "refund_id": REFUND,
            "lines": [{"account": NUMBER, "amount": 100}],
            "total": 100,
            "refunded_on": "2026-11-04",
        },
    ),
    ("accounts", "tenure_closed", {"number": NUMBER, "tenure": 1, "until": "2026-11-05"}),
    (
        "accounts",
        "tenure_opened",
        {"number": NUMBER, "tenure": 2, "since": "2026-11-06", "payer_kind": "household"},
    ),
]


class Nobody:
    """Reactions of these services call nobody."""

    def call(self, service: str, method: str, **_: Any) -> Any:
        raise AssertionError(f"{service}.{method} is not to be called")


def apply(store: PostgresStore, epoch: str, upstream: str, type_: str, data: Any) -> None:
    """React to an event as the reader does."""
    message = Message(
        id=event_id(upstream, epoch, 7),
        type=type_,
        source=upstream,
        subject="s",
        time=datetime.now(UTC),
        position=7,
        predecessor=6,
        correlation_id="c",
        data=data,
        epoch=epoch,
    )
    handler: Any = reactions_of(store.service)[upstream][type_]
    store.transact(lambda session, _: handler(session, message, Nobody()), None)


def events(store: PostgresStore) -> int:
    with store.transaction() as cursor:
        return int(cursor.execute("SELECT count(*) AS n FROM events").fetchone()["n"])


def test_ledger_takes_what_comes_again_once(database: Database) -> None:
    store = database.store("ledger")
    for upstream, type_, data in OF_LEDGER:
        before = events(store)
        apply(store, FIRST, upstream, type_, data)
        assert events(store) > before, type_
    whole = events(store)
    for upstream, type_, data in OF_LEDGER:
        apply(store, SECOND, upstream, type_, data)
        assert events(store) == whole, type_
    assert {name for _, name, _ in OF_LEDGER} == {
        name for of_upstream in reactions_of("ledger").values() for name in of_upstream
    }


def test_refund_that_the_bank_reports_under_another_id_is_another_refund(
    database: Database,
) -> None:
    """Why a lost refund keeps its id: the ledger knows refunds by nothing else."""
    store = database.store("ledger")
    for upstream, type_, data in OF_LEDGER[:5]:
        apply(store, FIRST, upstream, type_, data)
    before = events(store)
    data = {**OF_LEDGER[4][2], "refund_id": str(uuid4())}
    apply(store, SECOND, "payments", "payment_refunded", data)
    assert events(store) == before + 1


@pytest.mark.parametrize(
    ("service", "upstream", "type_", "data"),
    [
        ("accounts", "identity", "person_erased", {"person_id": PAYMENT}),
        ("helpdesk", "identity", "person_erased", {"person_id": PAYMENT}),
        ("helpdesk", "accounts", "tenure_closed", {"number": NUMBER, "tenure": 1}),
        ("helpdesk", "ledger", "correction_decided", {"proposal_id": BANK, "decision": "approved"}),
        ("helpdesk", "ledger", "correction_withdrawn", {"proposal_id": BANK}),
        ("payments", "accounts", "tenure_closed", {"number": NUMBER, "tenure": 1}),
    ],
)
def test_end_of_something_unknown_records_nothing_however_often_it_comes(
    database: Database, service: str, upstream: str, type_: str, data: dict[str, Any]
) -> None:
    store = database.store(service)
    for epoch in (FIRST, SECOND):
        apply(store, epoch, upstream, type_, data)
    assert events(store) == 0
