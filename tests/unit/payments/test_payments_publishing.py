"""What others hear of a payment matches the contract, and holds no card."""

from __future__ import annotations

import json

from payment_doubles import House

from services.payments.callback import refresh_own
from services.payments.domain import EVENTS, Line
from services.payments.publishing import publish
from tests.published import check_publication


def lived_through(house: House) -> None:
    """Every event that there is: one payment completed, one declined, one expired."""
    paid = house.start(Line("0001", 450_000, 1_250), Line("0002", 0, 5))
    house.acquirer.pay(house.number(paid))
    declined, late = house.start(Line("0001", 1, 0)), house.start(Line("0001", 2, 0))
    house.acquirer.decline(house.number(declined))
    house.acquirer.decline(house.number(late), late=True)
    for started in (paid, declined, late):
        row = house.row(started)
        refresh_own(house.store, house.acquirer, row["person_id"], row["payment_id"])
    house.ledger_posts(paid["payment_id"], "0001", 1)
    house.ledger_posts(paid["payment_id"], "0002", 2)


def test_every_publication_matches_its_contract(house: House) -> None:
    lived_through(house)
    assert {recorded.event.topic for recorded in house.store.log} == EVENTS.topics
    published = [p for p in map(publish, house.store.log) if p is not None]
    for publication in published:
        check_publication("payments", publication)
        assert publication.subject == publication.data["payment_id"]
    assert {publication.type for publication in published} == {
        "payment_started",
        "payment_captured",
        "payment_completed",
        "payment_failed",
    }


def test_the_money_of_a_publication_adds_up(house: House) -> None:
    lived_through(house)
    captured = [p for p in map(publish, house.store.log) if p and p.type == "payment_captured"]
    data = captured[0].data
    assert data["total"] == sum(line["amount"] + line["penalty"] for line in data["lines"])
    assert data["paid_on"] == "2026-11-20"


def test_no_publication_knows_a_card_or_the_page(house: House) -> None:
    lived_through(house)
    published = [p.data for p in map(publish, house.store.log) if p is not None]
    text = json.dumps(published)
    assert "411111" not in text
    assert "bank.example" not in text
