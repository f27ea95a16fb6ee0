"""Published payment events match their contract, and hold no card."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from payment_doubles import Harness

from services.payments.callback import refresh_own
from services.payments.domain import PaymentOrder
from services.payments.events import PAYMENT_EVENTS, Line, RefundLine
from services.payments.publishing import publish
from shared.eventstore import Session
from tests.published import check_publication


def record_every_event(harness: Harness) -> None:
    """Record every kind of event: payments completed, declined, expired, mismatched, refunded."""
    harness.acquirer.lose_next = 1
    paid = harness.captured(Line("0001", 450_000, 1_250), Line("0002", 0, 5))
    harness.ledger_posts(paid["payment_id"], "0001", 1)
    harness.ledger_posts(paid["payment_id"], "0002", 2)
    harness.ledger_posts(paid["payment_id"], "0003", 3, moved_from="0002")
    refund(harness, paid)
    harness.ledger_says("payment_reversed", 5, payment_id=paid["payment_id"], account="0001")
    declined, late = harness.start(Line("0001", 1, 0)), harness.start(Line("0002", 2, 0))
    harness.acquirer.decline(harness.number(declined))
    harness.acquirer.decline(harness.number(late), late=True)
    mismatched = harness.start(Line("0003", 3, 0))
    harness.acquirer.is_silent = True
    look(harness, mismatched)
    harness.acquirer.is_silent = False
    look(harness, mismatched)
    harness.acquirer.pay(harness.number(mismatched), amount=4)
    for started in (declined, late, mismatched):
        look(harness, started)


def look(harness: Harness, started: dict[str, Any]) -> None:
    """Have the acquirer asked, as when the payer comes back."""
    row = harness.row(started)
    harness.advance(seconds=3)
    refresh_own(harness.store, harness.acquirers, row["person_id"], row["payment_id"])


def refund(harness: Harness, started: dict[str, Any]) -> None:
    """Have refunds of a payment proposed, rejected, refused, requested, made and posted."""
    payment_id, line = UUID(started["payment_id"]), RefundLine("0001", 100)
    rejected, refused, made = uuid4(), uuid4(), uuid4()

    def decide(session: Session, _: None) -> None:
        payment = session.load(PaymentOrder, payment_id)
        payment.propose_refund(rejected, [line], "by mistake", "staff:a")
        payment.reject_refund(rejected, "no", "staff:b")
        payment.request_refund(refused, [line], "by mistake", "staff:a")
        payment.refuse_refund(refused, "7")
        payment.request_refund(made, [line], "by mistake", "staff:a")

    harness.store.transact(decide, None)
    harness.make_refunds()
    harness.ledger_says(
        "payment_refunded",
        4,
        payment_id=started["payment_id"],
        account="0001",
        refund_id=str(made),
    )


def test_every_payment_publication_matches_its_contract(harness: Harness) -> None:
    record_every_event(harness)
    topics = {recorded.event.topic for recorded in harness.store.log}
    assert topics == {event.topic for event in PAYMENT_EVENTS}
    published = [p for p in map(publish, harness.store.log) if p is not None]
    for publication in published:
        check_publication("payments", publication)
        assert publication.subject == publication.data["payment_id"]
    assert {publication.type for publication in published} == {
        "payment_started",
        "payment_captured",
        "payment_completed",
        "payment_failed",
        "payment_mismatched",
        "payment_refunded",
    }


def test_published_lines_add_up_to_the_total(harness: Harness) -> None:
    record_every_event(harness)
    captured = [p for p in map(publish, harness.store.log) if p and p.type == "payment_captured"]
    data = captured[0].data
    assert data["total"] == sum(line["amount"] + line["penalty"] for line in data["lines"])
    assert data["paid_on"] == "2026-11-20"


def test_publications_hold_neither_card_nor_page(harness: Harness) -> None:
    record_every_event(harness)
    published = [p.data for p in map(publish, harness.store.log) if p is not None]
    text = json.dumps(published)
    assert "411111" not in text
    assert "bank.example" not in text
