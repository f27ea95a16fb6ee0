"""What the registry says of a payer is the ledger's kind of payer, from the day it holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from known_tenures import KnownTenures

from services.ledger.application import OpenAccount, open_account
from services.ledger.domain import EVENTS, account_id
from services.ledger.domain.events import PayerKindChanged
from services.ledger.publishing import publish
from services.ledger.reactions import REACTIONS
from shared import context
from shared.bus import Message
from shared.contracts.ledger import CONTRACTS
from shared.errors import NotFound
from shared.eventstore import MemoryStore
from tests.fixed_clock import FixedClock

NUMBER = "0100000001"
TODAY = date(2026, 9, 1)
NOBODY: Any = None


class Months(KnownTenures):
    """A read model that knows which months are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: date | None = None

    def closed_through(self) -> date | None:
        return self.closed


class Registry:
    """The ledger, and the events of the registry of contracts that reach it."""

    def __init__(self) -> None:
        self.months = Months()
        self.store = MemoryStore(
            EVENTS, self.months, FixedClock(datetime(2026, 9, 1, 9, tzinfo=UTC))
        )

    def says(self, type_: str, payer_kind: str, **data: Any) -> list[PayerKindChanged]:
        """React to an event of the contract; return the changes of the payer so far."""
        message = Message(
            id="accounts-7",
            type=type_,
            source="accounts",
            subject=NUMBER,
            time=datetime(2026, 8, 31, 22, tzinfo=UTC),  # the 1st of September in Moscow
            position=7,
            predecessor=6,
            correlation_id="",
            data={"number": NUMBER, "payer_kind": payer_kind, **data},
        )
        react = REACTIONS["accounts"][type_]
        with context.bind(command_id=uuid4()):
            self.store.transact(lambda session, _: react(session, message, NOBODY), None)
        history = self.store.query(lambda session: session.history(account_id(NUMBER)))
        return [r.event for r in history if isinstance(r.event, PayerKindChanged)]


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.mark.parametrize(
    ("data", "day"),
    [({"effective_on": "2026-05-15"}, date(2026, 5, 15)), ({}, date(2026, 9, 1))],
)
def test_an_amended_payer_is_changed_from_the_day_of_the_amendment(
    registry: Registry, data: dict[str, str], day: date
) -> None:
    assert registry.says("contract_registered", "household") == []
    [changed] = registry.says("contract_amended", "organisation", changed=["payer_kind"], **data)
    assert (changed.payer_kind, changed.effective_on) == ("organisation", day)
    assert len(registry.says("contract_amended", "organisation", changed=["holder"])) == 1


def test_a_registered_contract_changes_an_account_that_a_file_has_opened(
    registry: Registry,
) -> None:
    with context.bind(command_id=uuid4()):
        registry.store.execute(open_account, OpenAccount(number=NUMBER, payer_kind="household"))
    [changed] = registry.says("contract_registered", "managing_company")
    assert (changed.payer_kind, changed.effective_on) == ("managing_company", TODAY)


def test_a_change_does_not_reach_into_a_closed_month(registry: Registry) -> None:
    registry.says("contract_registered", "household")
    registry.months.closed = date(2026, 7, 31)
    given = {"changed": ["payer_kind"], "effective_on": "2026-05-15"}
    [changed] = registry.says("contract_amended", "organisation", **given)
    assert changed.effective_on == date(2026, 8, 1)


def test_an_amendment_of_an_account_that_is_not_open_is_refused(registry: Registry) -> None:
    with pytest.raises(NotFound):
        registry.says("contract_amended", "organisation", changed=["payer_kind"])


def test_a_change_of_the_payer_is_published(registry: Registry) -> None:
    registry.says("contract_registered", "household")
    registry.says("contract_amended", "organisation", changed=["payer_kind"])
    published = publish(registry.store.log[-1])
    [contract] = [one for one in CONTRACTS if one.type == "payer_kind_changed"]
    assert published is not None
    contract.check(published.data)
    assert (published.type, published.data["payer_kind"]) == ("payer_kind_changed", "organisation")
    assert published.data["change"] == {"principal": 0, "penalty": 0, "advance": 0}
