"""A chunk of an import is decided on one day, also where midnight passes meanwhile."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine
from services.ledger.importing import posting
from services.ledger.importing.charges import Bill, Charges

LAST_OF_NOVEMBER, FIRST_OF_DECEMBER = date(2026, 11, 30), date(2026, 12, 1)
NUMBER = "0100000001"


def missed_bill() -> Bill:
    line = ChargeLine("heating", "Heating", 100_00, 100_00, 0, 0, "", "", "", "")
    place = {"row": 2, "last": 2, "start": 0, "end": 1, "rows": 1}
    return Bill(
        **place,
        account=NUMBER,
        amount=100_00,
        period="2026-10",
        due_on=date(2026, 12, 20),
        effective_on=date(2026, 10, 31),
        lines=(line,),
        penalty=0,
        bill_number="7",
    )


def opened() -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", date(2026, 1, 1), ())
    account.take_pending()
    return account


def test_a_missed_bill_is_posted_on_the_day_that_was_found_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The chunk has begun in November, and waited for the closing of November."""
    days, account = [LAST_OF_NOVEMBER], opened()
    charges = Charges(lambda: days[-1], missed=True)

    def close(_: Any) -> date:
        days.append(FIRST_OF_DECEMBER)
        return LAST_OF_NOVEMBER

    monkeypatch.setattr(posting, "closed_through", close)
    monkeypatch.setattr(posting, "read_tenures", lambda *_: {})
    monkeypatch.setattr(posting, "read_accounts", lambda *_: [account])

    decided = charges.decide(None, [missed_bill()])

    assert decided.refused == []
    [(_, _, topic, state)] = decided.events
    assert topic == "ledger.charges_posted.v1"
    assert b'"effective_on":"2026-12-01"' in state
