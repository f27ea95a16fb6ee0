"""What identifies a person is marked in the contracts, and left out for whoever has no grant."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest

from shared.bus import Publication
from shared.bus.disclosure import without_persons
from shared.bus.grants import GrantError, Grants, types_of, types_with_persons
from shared.bus.messages import Envelope, envelope
from shared.clock import SystemClock
from shared.config import SERVICES
from shared.contracts import all_contracts
from shared.contracts.asyncapi import samples_of
from shared.contracts.base import Contract, PersonId, person_fields
from shared.contracts.json_schema import payload_schema
from shared.eventstore import Event, Recorded

CONTRACTS = [
    pytest.param(owner, contract, id=f"{owner}.{contract.name}")
    for owner, contracts in all_contracts().items()
    for contract in contracts
]
NAMING = [param for param in CONTRACTS if person_fields(param.values[1].schema)]
PERSON = "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b01"


class Happened(Event, frozen=True, kw_only=True):
    topic = "x.happened.v1"


def published(owner: str, contract: Contract, data: dict[str, Any], subject: str) -> Envelope:
    recorded = Recorded(
        originator_id=UUID(int=1),
        originator_version=1,
        position=5,
        recorded_at=SystemClock().now(),
        command_id=UUID(int=2),
        actor=f"person:{PERSON}",
        correlation_id=PERSON,
        event=Happened(),
    )
    publication = Publication(contract.type, subject, data, contract.version)
    return envelope(owner, recorded, publication, 3)


@pytest.mark.parametrize(("owner", "contract"), CONTRACTS)
def test_a_field_that_sounds_like_a_person_is_marked(owner: str, contract: Contract) -> None:
    del owner
    names = {name for name in contract.schema().fields if "person" in name}
    assert names - person_fields(contract.schema) <= {"person_type"}
    of_type = {
        name for name, field in contract.schema().fields.items() if isinstance(field, PersonId)
    }
    assert of_type <= person_fields(contract.schema)


@pytest.mark.parametrize(("owner", "contract"), NAMING)
def test_without_a_grant_no_person_is_in_body_subject_or_headers(
    owner: str, contract: Contract
) -> None:
    sample = samples_of(owner, contract)[0]
    data = {
        name: PERSON if isinstance(value, str) else [PERSON]
        for name, value in sample.items()
        if name in person_fields(contract.schema)
    }
    whole = published(owner, contract, {**sample, **data}, PERSON)
    public = without_persons(owner, whole)
    assert PERSON in whole.body.decode()
    assert PERSON not in public.body.decode() + repr(public.headers)
    kept = {name: value for name, value in sample.items() if name not in data}
    assert json.loads(public.body) == kept
    assert public.headers["saldo_position"] == 5
    schema = payload_schema(contract.schema)
    assert jsonschema_rs.is_valid(schema, kept)
    assert jsonschema_rs.is_valid(schema, sample)


@pytest.mark.parametrize(("owner", "contract"), NAMING)
def test_a_subject_that_is_no_person_stays(owner: str, contract: Contract) -> None:
    whole = published(owner, contract, samples_of(owner, contract)[0], "0100000001")
    assert without_persons(owner, whole).headers["cloudEvents_subject"] == "0100000001"


def test_an_event_that_names_nobody_goes_out_as_it_is() -> None:
    for owner, contracts in all_contracts().items():
        for contract in contracts:
            if not person_fields(contract.schema):
                whole = published(owner, contract, samples_of(owner, contract)[0], "x")
                assert without_persons(owner, whole) is whole
    assert types_with_persons("ledger") == frozenset()


@pytest.mark.parametrize(("owner", "contract"), NAMING)
def test_asyncapi_marks_what_is_left_out(owner: str, contract: Contract) -> None:
    del owner
    described = payload_schema(contract.schema)
    marked = {name for name, one in described["properties"].items() if "x-saldo-person" in one}
    assert marked == person_fields(contract.schema)
    assert not marked & set(described.get("required", ()))


def test_grants_are_read_and_written_the_same() -> None:
    grants = Grants.parse(["payments.payment_completed", "ledger", "ledger.payment_posted"])
    assert grants.texts() == ["ledger", "payments.payment_completed"]
    assert grants.visible("ledger") == frozenset(types_of("ledger"))
    assert grants.visible("payments") == {"payment_completed"}
    assert grants.visible("identity") == frozenset()
    for wrong in ("moon", "ledger.moon_risen", "", "ledger."):
        with pytest.raises(GrantError):
            Grants.parse([wrong])


def test_a_stream_is_whole_only_with_all_types_and_the_persons_in_them() -> None:
    assert Grants.parse(["ledger"]).whole("ledger")
    assert not Grants.parse(["payments"]).whole("payments")
    assert Grants.parse(["payments"], persons=True).whole("payments")
    assert not Grants.parse(["ledger.payment_posted"], persons=True).whole("ledger")
    every = [f"ledger.{type_}" for type_ in types_of("ledger")]
    assert Grants.parse(every).whole("ledger")
    assert not any(Grants.parse(["ledger"]).whole(name) for name in SERVICES if name != "ledger")
