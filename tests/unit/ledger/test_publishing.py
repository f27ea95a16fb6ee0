"""The public form of every event keeps its contract."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from eventful_account import ID, NUMBER, OCTOBER, Stream, day, eventful

from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import ACCOUNT_EVENTS, AdvanceSettled
from services.ledger.publishing import publish
from shared.contracts.ledger import CONTRACTS

OLD_ADVANCE_SETTLED = AdvanceSettled(
    account=NUMBER,
    effective_on=day("12-06"),
    moved=(AllocatedPart(OCTOBER, "heating", 40),),
    moved_penalty=5,
)


def test_every_event_of_an_account_is_published_by_its_contract() -> None:
    contracts = {contract.type: contract for contract in CONTRACTS}
    published: dict[str, Any] = {}
    account = eventful()
    again = uuid4()
    account.post_payment(again, day("12-06"), 500, 0)
    account.refund_payment(again, uuid4(), 130, day("12-07"))
    account.close(day("12-31"))
    for recorded in Stream([*account.pending, OLD_ADVANCE_SETTLED]).history(ID):
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
        "advance": 31,
        # What was paid too much is not an advance for long: it pays water.
        "change": {"principal": -31, "penalty": 0, "advance": 0},
    }
    assert published["penalty_written_off"]["amount"] == 3
    reversal = published["payment_reversed"]
    assert (reversal["advance_taken"], reversal["penalty_restored"]) == (0, 59)
    assert [part["amount"] for part in reversal["restored"]] == [970, 130]
    assert [part["amount"] for part in reversal["reopened"]] == [386, 25]
    refund = published["payment_refunded"]
    assert refund["amount"] == sum(part["amount"] for part in refund["restored"]) == 130
    assert published["charges_adjusted"]["released"] == []
    assert published["payer_kind_changed"]["payer_kind"] == "organisation"
    assert published["advance_settled"] == {
        "account": NUMBER,
        "effective_on": "2026-12-06",
        "change": {"principal": -40, "penalty": -5, "advance": -45},
    }
