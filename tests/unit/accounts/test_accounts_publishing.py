"""What is published keeps the contract, and holds nothing personal."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from services.accounts.domain import EVENTS, ContractDetails
from services.accounts.invitation import InvitationAccepted, InvitationEnded
from services.accounts.linking import UnlinkAccount, unlink_account
from services.accounts.publishing import publish
from services.accounts.sharing import Invite
from shared.contracts.accounts import CONTRACTS, DETAILS

FIRST, SECOND = "0100000001", "0100000002"


def test_every_event_is_published_by_its_contract(harness: Any) -> None:
    person_id = uuid4()
    harness.link(uuid4(), FIRST)
    harness.link(person_id, FIRST)
    harness.link(person_id, SECOND)
    for _ in range(10):
        harness.link(uuid4(), FIRST, "XXXX-XXXX")
    guest = Invite(person_id=person_id, number=FIRST, email="g@example.org", role="viewer")
    harness.store.execute(harness.sharing.invite, guest)
    harness.store.execute(unlink_account, UnlinkAccount(person_id=person_id, number=SECOND))
    harness.register(harness.row(FIRST, residents=1))
    harness.register(harness.row(FIRST, holder="Другая Дарья"))
    contracts = {contract.type: contract for contract in CONTRACTS}
    published = [found for record in harness.store.log if (found := publish(record))]
    for publication in published:
        contracts[publication.type].check(publication.data)
    assert {publication.type for publication in published} == set(contracts)
    own = {InvitationAccepted.topic, InvitationEnded.topic}
    assert len(EVENTS.topics - own) == len(contracts)
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
