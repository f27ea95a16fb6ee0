"""The public form of every event keeps its contract."""

from __future__ import annotations

from typing import Any

from eventful_account import ID, NUMBER, Stream, eventful

from services.ledger.domain.events import ACCOUNT_EVENTS
from services.ledger.publishing import publish
from shared.contracts.ledger import CONTRACTS


def test_every_event_of_an_account_is_published_by_its_contract() -> None:
    contracts = {contract.type: contract for contract in CONTRACTS}
    published: dict[str, Any] = {}
    for recorded in Stream(eventful().pending).history(ID):
        publication = publish(recorded)
        assert publication is not None
        assert publication.subject == str(ID)
        assert publication.data["account"] == NUMBER
        contracts[publication.type].check(publication.data)
        published[publication.type] = publication.data
    assert set(published) == {event.topic.split(".")[1] for event in ACCOUNT_EVENTS}
    assert published["penalty_corrected"] == {
        "account": NUMBER,
        "effective_on": "2026-12-02",
        "amount": -31,
        "rule": "rule-1",
        "waived": 0,
        "advance": 11,
        "change": {"principal": 0, "penalty": -20, "advance": 11},
    }
    assert published["penalty_written_off"]["amount"] == 3
    assert published["payment_reversed"]["advance_taken"] == 286
    assert published["charges_adjusted"]["released"] == []
