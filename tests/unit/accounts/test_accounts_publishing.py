"""What is published keeps the contract, and holds nothing personal."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from services.accounts.application import UnlinkAccount, unlink_account
from services.accounts.domain import EVENTS, ContractDetails
from services.accounts.publishing import publish
from shared.contracts.accounts import CONTRACTS, DETAILS

FIRST, SECOND = "0100000001", "0100000002"


def test_every_event_is_published_by_its_contract(harness: Any) -> None:
    person_id = uuid4()
    harness.link(uuid4(), FIRST)
    harness.link(person_id, FIRST)
    harness.link(person_id, SECOND, "-120,00 10.2026")
    harness.store.execute(unlink_account, UnlinkAccount(person_id=person_id, number=SECOND))
    harness.register(harness.row(FIRST, residents=1))
    harness.register(harness.row(FIRST, holder="Другая Дарья"))
    contracts = {contract.type: contract for contract in CONTRACTS}
    published = [publish(record) for record in harness.store.log]
    for publication in published:
        contracts[publication.type].check(publication.data)
    assert {publication.type for publication in published} == set(contracts)
    assert len(EVENTS.topics) == len(contracts)
    assert {publication.subject for publication in published} == {FIRST, SECOND}


def test_published_details_are_those_of_the_domain() -> None:
    """Services and payee are the operator's own: what was published v1 does not name them."""
    assert ContractDetails.__struct_fields__ == (*DETAILS, "services", "payee")


def test_a_change_of_services_alone_is_not_published(harness: Any) -> None:
    harness.register(harness.row(FIRST, services=("Отопление",)))
    assert harness.store.log[-1].event.changed == ("services",)
    assert publish(harness.store.log[-1]) is None
    harness.register(harness.row(FIRST, services=(), residents=1))
    assert publish(harness.store.log[-1]).data["changed"] == ["residents"]
