"""Contract loading: new rows register, changed rows amend, the rest leaves no event."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from services.accounts.domain import Contract, ContractAmended, ContractDetails, contract_id
from services.accounts.publishing import publish
from shared.errors import Conflict, NotFound

FIRST = "0100000001"
DAY = date(2026, 11, 10)


def test_the_same_row_twice_changes_nothing(harness: Any) -> None:
    before = len(harness.store.log)
    assert harness.register(harness.row(FIRST)) == {"unchanged": 1}
    assert len(harness.store.log) == before


def test_a_changed_row_amends_and_names_what_changed(harness: Any) -> None:
    moved = "г. Примерск, ул. Примерная, д. 12, кв. 7"
    outcome = harness.register(harness.row(FIRST, address=moved, residents=4))
    assert outcome["amended"] == 1
    event = harness.store.log[-1].event
    assert isinstance(event, ContractAmended)
    assert event.changed == ("address", "residents")
    assert harness.store.vault.reveal(contract_id(FIRST), event.details.address, "address") == moved
    # The holder has not changed, so its sealed text has not either.
    assert event.details.holder == harness.store.log[0].event.details.holder


@pytest.mark.parametrize(
    ("given", "day"), [(None, date(2026, 11, 10)), (date(2026, 10, 1), date(2026, 10, 1))]
)
def test_an_amendment_holds_from_its_day_on(harness: Any, given: date | None, day: date) -> None:
    changes = {"payer_kind": "organisation", "effective_on": given}
    assert harness.register(harness.row(FIRST, **changes))["amended"] == 1
    published = publish(harness.store.log[-1])
    assert published.data["effective_on"] == day.isoformat()
    before = len(harness.store.log)
    again = {"payer_kind": "organisation", "effective_on": date(2026, 9, 1)}
    assert harness.register(harness.row(FIRST, **again))["unchanged"] == 1, "a day is no change"
    assert len(harness.store.log) == before


def test_an_amendment_of_before_there_were_days_is_published_without_one(harness: Any) -> None:
    harness.register(harness.row(FIRST, residents=4))
    recorded = harness.store.log[-1]
    old = replace(recorded, event=replace(recorded.event, effective_on=None))
    assert "effective_on" not in publish(old).data


def test_an_older_registry_restores_its_row(harness: Any) -> None:
    harness.register(harness.row(FIRST, residents=4))
    assert harness.register(harness.row(FIRST, residents=3))["amended"] == 1
    assert harness.store.read_model.tenures.current([FIRST])[FIRST].details.residents == 3


def test_a_new_bill_replaces_the_former_without_an_event(harness: Any) -> None:
    before = len(harness.store.log)
    row = harness.row(FIRST, bill_total=500000, period="2026-11", control_code="NEWC-0DE1")
    assert harness.register(row) == {"unchanged": 1, "bills": 1}
    assert len(harness.store.log) == before
    person = contract_id("any person")
    assert not harness.link(person, FIRST, "4500,00 10.2026")
    assert not harness.link(person, FIRST, "CODE-0001")
    assert harness.link(person, FIRST, "NEWC-0DE1")


def test_a_row_without_a_bill_takes_the_last_one_away(harness: Any) -> None:
    row = harness.row(FIRST, bill_total=0, period=None, control_code=None)
    assert harness.register(row) == {"unchanged": 1}
    person = contract_id("any person")
    assert not harness.link(person, FIRST, "4500,00 10.2026")
    assert not harness.link(person, FIRST, "CODE-0001")


def test_a_total_without_its_month_proves_nothing(harness: Any) -> None:
    harness.register(harness.row(FIRST, period=None, control_code=None))
    assert harness.store.read_model.proofs.of([FIRST]) == {}


def test_no_bill_that_a_former_holder_has_seen_proves_a_later_tenure(harness: Any) -> None:
    november = {"bill_total": 500000, "period": "2026-11", "control_code": "NEWC-0DE1"}
    harness.register(harness.row(FIRST, **november))
    harness.register(harness.row(FIRST, holder="Другая Дарья", bill_total=0, control_code=None))
    person = contract_id("any person")
    for number_of_bill in range(2):
        harness.register(harness.row(FIRST, holder="Другая Дарья"))
        assert not harness.link(person, FIRST, "CODE-0001"), number_of_bill
        harness.register(harness.row(FIRST, holder="Другая Дарья", control_code="NEXT-0001"))
    assert harness.link(person, FIRST, "NEXT-0001")


def test_a_bill_of_the_same_holder_may_come_again(harness: Any) -> None:
    harness.register(harness.row(FIRST, control_code="NEWC-0DE1"))
    harness.register(harness.row(FIRST))
    assert harness.link(contract_id("any person"), FIRST, "CODE-0001")


def test_a_plan_counts_as_the_import_would_and_writes_nothing(harness: Any) -> None:
    rows = (
        harness.row(FIRST, residents=9),
        harness.row("0100000002", control_code="OTHER-C0DE", bill_total=-12000),
        harness.row("07"),
        harness.row("08", els="50АД000001"),
        harness.row("09", els="50АД000001"),
    )
    before = len(harness.store.log), dict(harness.store.vault.keys)
    plan = harness.plan(*rows)
    assert (len(harness.store.log), harness.store.vault.keys) == before
    loaded = harness.load(*rows)
    assert plan == loaded
    assert loaded.counts["registered"] == 2
    assert loaded.refused.keys() == {4}


def test_a_contract_is_registered_once_and_amended_only_after_that() -> None:
    details = ContractDetails(payer_kind="household", holder="sealed", address="sealed")
    contract = Contract(contract_id(FIRST))
    with pytest.raises(NotFound):
        contract.amend(details, DAY)
    contract.register(FIRST, details)
    assert not contract.amend(details, DAY)
    with pytest.raises(Conflict) as refusal:
        contract.register(FIRST, details)
    assert refusal.value.code == "contract_exists"
