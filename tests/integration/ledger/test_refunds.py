"""Payments say that money went back: the ledger hears it by the bus, on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.corrections import Correct, correct
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import MovePayment, ReversePayment
from services.ledger.loading import load_account
from services.ledger.reactions import REACTIONS
from services.ledger.replay.audit import audit
from services.ledger.reports.payments import Sought, find_payments
from services.ledger.reports.refundable import refundable
from shared import context
from shared.bus.listen import Listener
from shared.bus.messages import Publication, envelope
from shared.bus.reactions import Delivery
from shared.eventstore import Recorded, Session
from tests.conftest import Database
from tests.staff_terminal import grant

pytestmark = pytest.mark.nodes

FIRST, SECOND = "0100000001", "0100000002"
CLERK = "petrov"
NOTHING: Any = None
"""A reaction asks no other service, and a message has no event but its data."""


class Ledger:
    """Two accounts that owe 1 000.00 each, and the queue of payments."""

    def __init__(self, database: Database) -> None:
        self.store = database.store("ledger")
        grant(database.settings, "ledger", CLERK, "reverse", None)
        self._listener = Listener(
            NOTHING, self.store, "payments", REACTIONS["payments"], threading.Event()
        )
        self._position = 0
        self.today = self.store.clock.today()
        with context.bind(command_id=uuid4(), actor="service:test"):
            self.store.execute(self._open, None)

    def _open(self, session: Session, _: None) -> None:
        for number in (FIRST, SECOND):
            owed = [ServiceAmount("heating", 1_000_00)]
            load_account(session, number).open(number, "household", self.today, owed)

    def hears(self, *said: tuple[str, Mapping[str, Any]]) -> None:
        """Handle messages in one batch."""
        self._listener.process([self._delivery(*one) for one in said], lambda _: None)

    def corrects(self, correction: Any) -> Any:
        command = Correct(correction_id=uuid4(), correction=correction, reason="an act")
        with context.bind(command_id=command.correction_id, actor=f"staff:{CLERK}"):
            return self.store.execute(correct, command)

    def owed(self) -> tuple[int, int]:
        rows = {
            row["number"]: row["principal"] - row["advance"]
            for row in self.store.query(lambda session: session.read.balances([FIRST, SECOND]))
        }
        return rows[FIRST], rows[SECOND]

    def parked(self) -> list[str]:
        return self.store.query(
            lambda session: [
                row["type"] for row in session.cursor.execute("SELECT type FROM parked").fetchall()
            ]
        )

    def captured(self, payment_id: str, amount: int = 600_00) -> tuple[str, Mapping[str, Any]]:
        lines = [{"account": number, "amount": amount, "penalty": 0} for number in (FIRST, SECOND)]
        day = self.today.isoformat()
        return "payment_captured", {"payment_id": payment_id, "paid_on": day, "lines": lines}

    def refunded(self, payment_id: str, refund_id: str, **amounts: int) -> Any:
        lines = [{"account": name.strip("_"), "amount": sum_} for name, sum_ in amounts.items()]
        day = self.today.isoformat()
        return "payment_refunded", {
            "payment_id": payment_id,
            "refund_id": refund_id,
            "refunded_on": day,
            "lines": lines,
        }

    def _delivery(self, type_: str, data: Mapping[str, Any]) -> Delivery:
        self._position += 1
        recorded = Recorded(
            originator_id=UUID(data["payment_id"]),
            originator_version=1,
            position=self._position,
            recorded_at=datetime.now(UTC),
            command_id=uuid4(),
            actor="service:payments",
            correlation_id="",
            event=NOTHING,
        )
        publication = Publication(type_, data["payment_id"], dict(data))
        message = envelope("payments", recorded, publication, self._position - 1)
        return Delivery(message.headers, message.body)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def test_money_that_goes_back_is_owed_again(ledger: Ledger) -> None:
    payment, refund = str(uuid4()), str(uuid4())
    back = {f"_{FIRST}": 100_00, f"_{SECOND}": 250_00}
    ledger.hears(ledger.captured(payment), ledger.refunded(payment, refund, **back))
    assert ledger.owed() == (500_00, 650_00)
    ledger.hears(ledger.refunded(payment, refund, **back))
    assert ledger.owed() == (500_00, 650_00)
    assert ledger.parked() == []
    assert audit(ledger.store).differences == []


def test_a_refund_of_too_much_blocks_no_other_payment(ledger: Ledger) -> None:
    first, second = str(uuid4()), str(uuid4())
    ledger.hears(
        ledger.captured(first),
        ledger.captured(second, 100_00),
        ledger.refunded(first, str(uuid4()), **{f"_{FIRST}": 600_01}),
        ledger.refunded(second, str(uuid4()), **{f"_{FIRST}": 100_00}),
    )
    assert ledger.parked() == ["payment_refunded"]
    assert ledger.owed() == (400_00, 300_00)


def test_a_refund_after_a_reversal_is_no_effect_and_parks_nothing(ledger: Ledger) -> None:
    payment = str(uuid4())
    ledger.hears(ledger.captured(payment))
    ledger.corrects(ReversePayment(payment_id=UUID(payment)))
    back = {f"_{FIRST}": 600_00, f"_{SECOND}": 600_00}
    ledger.hears(ledger.refunded(payment, str(uuid4()), **back))
    assert (ledger.owed(), ledger.parked()) == ((1_000_00, 1_000_00), [])


def test_a_refund_finds_a_payment_that_was_moved(ledger: Ledger, database: Database) -> None:
    payment = str(uuid4())
    type_, data = ledger.captured(payment)
    ledger.hears((type_, {**data, "lines": data["lines"][:1]}))
    move = MovePayment(payment_id=UUID(payment), account=FIRST, to_account=SECOND)
    assert ledger.corrects(move)["state"] == "done"
    assert ledger.owed() == (1_000_00, 400_00)
    refund = str(uuid4())
    ledger.hears(ledger.refunded(payment, refund, **{f"_{FIRST}": 150_00}))
    assert (ledger.owed(), ledger.parked()) == ((1_000_00, 550_00), [])
    left = ledger.store.query(lambda session: refundable(session, UUID(payment)))["accounts"]
    assert [(one["account"], one["left"]) for one in left] == [(FIRST, 0), (SECOND, 450_00)]
    found = ledger.store.query(lambda session: find_payments(session, Sought(part=payment), 10))
    here, there = found["payments"]
    assert (there["account"], there["reversed"]["moved_to"]) == (FIRST, SECOND)
    assert (here["account"], here["moved_from"], here["reversed"]) == (SECOND, FIRST, None)
    assert [(one["refund_id"], one["amount"]) for one in here["refunds"]] == [(refund, 150_00)]
    assert audit(ledger.store).differences == []
