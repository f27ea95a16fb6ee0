"""The postings under every event, and the trial balance they add up to."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest
from eventful_account import ID, an_account, bill, day, eventful
from trial_balance import trial_balance

from services.ledger.domain.double_entry import postings
from services.ledger.domain.effective_order import in_effective_order
from tests.unit.ledger.penalty_corrections import correct_penalty


def test_each_event_has_its_postings() -> None:
    booked = {type(event).__name__: postings(event) for event in eventful().pending}
    assert booked["AccountOpened"] == []
    assert booked["OpeningPosted"] == [
        ("receivable:heating", 1_000),
        ("opening", -1_000),
        ("advances", -30),
        ("opening", 30),
        ("advances", 30),
        ("receivable:heating", -30),
    ]
    assert booked["PayerKindChanged"] == booked["AdvanceSettled"] == []
    assert booked["ChargesPosted"] == [
        ("receivable:water", 600),
        ("revenue:water", -600),
        ("advances", 80),
        ("receivable:water", -80),
    ]
    assert booked["PaymentPosted"] == [
        ("clearing", 1_570),
        ("receivable:heating", -970),
        ("receivable:heating", -430),
        ("receivable:penalty", -90),
        ("advances", -80),
    ]
    assert booked["ChargesAdjusted"] == [
        ("revenue:heating", 300),
        ("revenue:waste", -25),
        ("receivable:waste", 25),
        ("advances", -300),
        ("advances", 25),
        ("receivable:waste", -25),
        ("advances", 275),
        ("receivable:water", -275),
    ]
    assert booked["PenaltyAccrued"] == [("receivable:penalty", 8), ("revenue:penalty", -8)]
    assert booked["PenaltyCorrected"] == [
        ("receivable:penalty", 0),
        ("advances", -31),
        ("revenue:penalty", 31),
        ("advances", 31),
        ("receivable:water", -31),
        ("advances", 0),
        ("receivable:penalty", 0),
    ]
    assert booked["PenaltyWrittenOff"] == [
        ("receivable:penalty", -3),
        ("advances", 0),
        ("revenue:penalty", 3),
    ]


def test_a_reversal_is_booked_against_clearing() -> None:
    account = eventful()
    names: dict[str, int] = {}
    for name, amount in postings(account.pending[-1]):
        names[name] = names.get(name, 0) + amount
    assert names == {
        "clearing": -1_570,
        "receivable:heating": 1_100,
        "receivable:penalty": 59,
        "advances": 0,
        "receivable:water": 386,
        "receivable:waste": 25,
    }


def test_money_back_on_a_bill_is_booked_as_an_advance() -> None:
    account = an_account()
    bill(account, "10-31", heating=0, water=-7)
    assert postings(account.pending[-1]) == [
        ("advances", 0),
        ("revenue:heating", 0),
        ("advances", -7),
        ("revenue:water", 7),
    ]


def test_an_overlapping_waiver_is_booked_once() -> None:
    account = an_account()
    account.accrue_penalty(100, day("10-01"), "rule-1")
    account.write_off_penalty(90, day("10-02"), "x")
    correct_penalty(account, -60, day("10-03"), "rule-1", "x", through=day("10-03"))
    assert postings(account.pending[-1]) == [
        ("receivable:penalty", -10),
        ("advances", 0),
        ("revenue:penalty", 10),
    ]
    account.post_payment(uuid4(), day("10-01"), 0, 10)
    waiver = in_effective_order(ID, account.pending)[-2]
    assert postings(waiver) == [
        ("receivable:penalty", -90),
        ("advances", 0),
        ("revenue:penalty", 90),
    ]
    again = msgspec.structs.replace(waiver, advance=4)
    assert postings(again) == [
        ("receivable:penalty", -86),
        ("advances", -4),
        ("revenue:penalty", 90),
    ]


def test_the_trial_balance_is_zero() -> None:
    balances = trial_balance(eventful().pending)
    assert sum(balances.values()) == 0
    assert balances["clearing"] == 0
    assert balances["opening"] == -970
    assert balances["receivable:heating"] == 1_100
    assert trial_balance([]) == {}


def test_only_events_of_an_account_have_postings() -> None:
    with pytest.raises(TypeError, match="no postings are known for str"):
        postings("an event")
