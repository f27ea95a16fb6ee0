"""Payments that arrive before their account: they wait, and hold nobody else up."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.ledger.application import OpenAccount, open_account
from services.ledger.reactions import REACTIONS
from shared import context
from shared.bus import parked
from shared.bus.progress import progress_of
from shared.bus.retries import Retrier
from tests.conftest import Database
from tests.integration.ledger.test_refunds import FIRST, NOTHING, SECOND, Ledger

pytestmark = pytest.mark.nodes

LATER = "0100000003"


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def retrier(ledger: Ledger) -> Retrier:
    return Retrier(NOTHING, ledger.store, REACTIONS, threading.Event())


def captured(ledger: Ledger, payment_id: str, account: str) -> Any:
    type_, data = ledger.captured(payment_id)
    return type_, {**data, "lines": [{"account": account, "amount": 600_00, "penalty": 0}]}


def open_later(ledger: Ledger) -> None:
    with context.bind(command_id=uuid4(), actor="service:test"):
        ledger.store.execute(open_account, OpenAccount(number=LATER, payer_kind="household"))


def rows(ledger: Ledger) -> list[tuple[str, str, bool]]:
    """Return type and reason of what is put aside or parked, and whether it waits."""
    with ledger.store.transaction() as cursor:
        found = cursor.execute(
            "SELECT type, reason, waits_until IS NOT NULL AS waits FROM parked ORDER BY id"
        ).fetchall()
    return [(row["type"], row["reason"], row["waits"]) for row in found]


def hurry(ledger: Ledger, column: str = "next_try") -> None:
    with ledger.store.transaction() as cursor:
        cursor.execute(f"UPDATE parked SET {column} = clock_timestamp() - interval '1 second'")


def advance_of(ledger: Ledger, account: str) -> int:
    [row] = ledger.store.query(lambda session: session.read.balances([account]))
    return int(row["advance"])


def test_payment_for_an_account_not_yet_open_waits_and_the_others_go_on(ledger: Ledger) -> None:
    early, other, refund = str(uuid4()), str(uuid4()), str(uuid4())
    ledger.hears(
        captured(ledger, early, LATER),
        captured(ledger, other, FIRST),
        ledger.refunded(early, refund, **{f"_{LATER}": 100_00}),
        captured(ledger, str(uuid4()), SECOND),
    )
    assert ledger.owed() == (400_00, 400_00)
    assert rows(ledger) == [
        ("payment_captured", "NotFound", True),
        ("payment_refunded", "BehindParked", True),
    ]
    trying = retrier(ledger)
    hurry(ledger)
    assert not trying.retry_waiting(), "its account is not there yet"
    open_later(ledger)
    assert not trying.retry_waiting(), "it is tried again after a pause"
    hurry(ledger)
    while trying.retry_waiting():
        pass
    assert rows(ledger) == []
    assert advance_of(ledger, LATER) == 500_00


def test_waiting_messages_are_not_shown_as_parked(ledger: Ledger) -> None:
    ledger.hears(captured(ledger, str(uuid4()), LATER))
    labels = {"service": "ledger", "upstream": "payments"}
    assert REGISTRY.get_sample_value("saldo_reaction_put_aside_total", labels)
    with ledger.store.transaction() as cursor:
        assert parked.listing(cursor) == []
        assert parked.count(cursor) == 0
        progress = progress_of(cursor)
    assert (progress.parked, progress.parked_for, progress.waiting) == (0, 0.0, 1)


def test_message_that_waits_too_long_is_parked_with_those_behind_it(ledger: Ledger) -> None:
    early, refund = str(uuid4()), str(uuid4())
    ledger.hears(
        captured(ledger, early, LATER),
        ledger.refunded(early, refund, **{f"_{LATER}": 100_00}),
    )
    hurry(ledger)
    hurry(ledger, "waits_until")
    assert not retrier(ledger).retry_waiting()
    assert rows(ledger) == [
        ("payment_captured", "NotFound", False),
        ("payment_refunded", "BehindParked", False),
    ]
    later = ledger.refunded(early, str(uuid4()), **{f"_{LATER}": 50_00})
    ledger.hears(later)
    assert rows(ledger)[-1] == ("payment_refunded", "BehindParked", False)


def test_waiting_message_that_fails_otherwise_is_parked_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.hears(captured(ledger, str(uuid4()), LATER))

    def fails(*_: Any) -> None:
        raise KeyError

    failing = Retrier(
        NOTHING, ledger.store, {"payments": {"payment_captured": fails}}, threading.Event()
    )
    hurry(ledger)
    failing.retry_waiting()
    assert rows(ledger) == [("payment_captured", "KeyError", False)]


def test_waiting_message_that_ends_its_process_is_parked(ledger: Ledger) -> None:
    ledger.hears(captured(ledger, str(uuid4()), LATER))
    with ledger.store.transaction() as cursor:  # three processes have begun, and not ended, it
        cursor.execute("UPDATE parked SET begun = 3")
    hurry(ledger)
    retrier(ledger).retry_waiting()
    assert rows(ledger) == [("payment_captured", "KilledItsReaderError", False)]
