"""Published payment events match their contract, and hold no card."""

from __future__ import annotations

import json

from payment_doubles import Harness

from services.payments.callback import refresh_own
from services.payments.domain import EVENTS, Line
from services.payments.publishing import publish
from tests.published import check_publication


def record_every_event(harness: Harness) -> None:
    """Record every kind of event: one payment completed, one declined, one expired."""
    paid = harness.start(Line("0001", 450_000, 1_250), Line("0002", 0, 5))
    harness.acquirer.pay(harness.number(paid))
    declined, late = harness.start(Line("0001", 1, 0)), harness.start(Line("0001", 2, 0))
    harness.acquirer.decline(harness.number(declined))
    harness.acquirer.decline(harness.number(late), late=True)
    for started in (paid, declined, late):
        row = harness.row(started)
        refresh_own(harness.store, harness.acquirer, row["person_id"], row["payment_id"])
    harness.ledger_posts(paid["payment_id"], "0001", 1)
    harness.ledger_posts(paid["payment_id"], "0002", 2)


def test_every_payment_publication_matches_its_contract(harness: Harness) -> None:
    record_every_event(harness)
    assert {recorded.event.topic for recorded in harness.store.log} == EVENTS.topics
    published = [p for p in map(publish, harness.store.log) if p is not None]
    for publication in published:
        check_publication("payments", publication)
        assert publication.subject == publication.data["payment_id"]
    assert {publication.type for publication in published} == {
        "payment_started",
        "payment_captured",
        "payment_completed",
        "payment_failed",
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
