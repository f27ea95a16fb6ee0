"""Published events: every contract has a sample that stays valid forever.

A committed sample is never edited: it stands for the programs that read such events today. A change
that makes one invalid needs a new version of the contract beside the old one.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from marshmallow import Schema, fields

from services.discovery import reactions_of
from shared.bus import Publication
from shared.bus.grants import types_with_persons
from shared.bus.messages import TYPE_PREDECESSOR_HEADER, envelope
from shared.bus.topology import event_exchange, person_exchange
from shared.config import SERVICES
from shared.contracts import all_contracts, contracts_of
from shared.contracts.asyncapi import DOCUMENT, document, samples_of
from shared.contracts.base import (
    LARGEST_AMOUNT,
    AccountNumber,
    Contract,
    ContractBroken,
    Day,
    Instant,
    Kopecks,
    Period,
    PlainId,
)
from shared.contracts.json_schema import payload_schema
from shared.eventstore import Event, Recorded

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "shared/contracts/samples"
CONTRACTS = [
    pytest.param(owner, contract, id=f"{owner}.{contract.name}")
    for owner, contracts in all_contracts().items()
    for contract in contracts
]


def sample_of(owner: str, contract: Contract) -> Path:
    return SAMPLES / owner / f"{contract.name}.json"


def subtrees(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in a tree of YAML."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from subtrees(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from subtrees(value)


def test_every_service_has_a_contracts_module() -> None:
    assert tuple(all_contracts()) == SERVICES
    modules = {path.stem for path in (ROOT / "shared/contracts").glob("[a-z]*.py")}
    assert modules - {"asyncapi", "base", "compatibility", "json_schema"} == set(SERVICES)


@pytest.mark.parametrize(("owner", "contract"), CONTRACTS)
def test_every_contract_has_a_valid_sample(owner: str, contract: Contract) -> None:
    sample = sample_of(owner, contract)
    assert sample.exists(), f"write {sample.relative_to(SAMPLES.parent)}, as it is published"
    for one in samples_of(owner, contract):
        contract.check(one)


@pytest.mark.parametrize(("owner", "contract"), CONTRACTS)
def test_the_newest_sample_has_every_field(owner: str, contract: Contract) -> None:
    newest, *_ = samples_of(owner, contract)
    assert set(newest) == set(contract.schema().fields), "add a sample with the new fields"


def test_every_sample_still_has_its_contract() -> None:
    promised = {(owner, c.name) for owner, all_ in all_contracts().items() for c in all_}
    orphans = {
        path
        for path in SAMPLES.rglob("*.json")
        if (path.parent.name, re.sub(r"(\.[0-9]+)?\.json$", "", path.name)) not in promised
    }
    assert not orphans, "a published version was removed: other systems still read it"


@pytest.mark.parametrize(("owner", "contract"), CONTRACTS)
def test_a_field_outside_the_contract_is_refused(owner: str, contract: Contract) -> None:
    data = json.loads(sample_of(owner, contract).read_text("utf-8"))
    with pytest.raises(ContractBroken, match="Unknown field"):
        contract.check({**data, "surprise": 1})


@pytest.mark.parametrize(("owner", "contract"), CONTRACTS)
def test_no_contract_carries_personal_data(owner: str, contract: Contract) -> None:
    forbidden = {"email", "name", "full_name", "phone", "address", "holder", "text", "card"}
    described = payload_schema(contract.schema)
    properties = [tree.get("properties", {}) for tree in subtrees(described)]
    names = {name for found in properties for name in found if isinstance(found, dict)}
    # A service of a charge has a name («Отопление»), a person of an event has none.
    allowed = {"name"} if owner == "ledger" else set()
    assert not names & (forbidden - allowed)


def keys_written_by(path: Path) -> set[str]:
    """Return the constant keys of all dictionaries, and the keywords, in a module."""
    keys: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            keys |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            keys.add(str(node.slice.value))
        elif isinstance(node, ast.keyword) and node.arg:
            keys.add(node.arg)
    return keys


@pytest.mark.parametrize(("owner", "contract"), CONTRACTS)
def test_every_field_of_a_contract_is_published(owner: str, contract: Contract) -> None:
    described = payload_schema(contract.schema)
    properties = [tree.get("properties", {}) for tree in subtrees(described)]
    fields_ = {name for found in properties for name in found if isinstance(found, dict)}
    modules = sorted((ROOT / "services" / owner).glob("*publishing.py"))
    missing = fields_.difference(*map(keys_written_by, modules))
    assert missing == set(), f"services/{owner}/publishing.py does not write {missing}"


def optional_fields(schema: type[Schema]) -> set[str]:
    """Return the names of the fields, nested ones too, that a message may lack."""
    found: set[str] = set()
    for name, field in schema().fields.items():
        found |= set() if field.required else {name}
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            found |= optional_fields(type(inner.schema))
    return found


def fields_read_by_subscript(source: str) -> set[str]:
    """Return the keys that a module reads as ``data["key"]``, which raises without the key."""
    return {
        str(node.slice.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Constant)
    }


@pytest.mark.parametrize("consumer", SERVICES)
def test_reactions_read_optional_fields_by_get(consumer: str) -> None:
    optional = {
        name
        for upstream in reactions_of(consumer)
        for contract in contracts_of(upstream)
        for name in optional_fields(contract.schema)
    }
    for path in (ROOT / f"services/{consumer}").glob("reactions.py"):
        assert not optional & fields_read_by_subscript(path.read_text("utf-8"))


def test_optional_field_read_by_subscript_is_found() -> None:
    class Line(Schema):
        new = fields.String()

    class Happened(Schema):
        old = fields.String(required=True)
        lines = fields.List(fields.Nested(Line), required=True)

    source = "use(data['old'], [line['new'] for line in data['lines']], data.get('other'))"
    assert optional_fields(Happened) == {"new"}
    assert fields_read_by_subscript(source) == {"old", "lines", "new"}


@pytest.mark.parametrize("consumer", SERVICES)
def test_every_reader_knows_the_newest_version_before_it_is_published(consumer: str) -> None:
    for upstream, handlers in reactions_of(consumer).items():
        newest = {one.type: one.key for one in contracts_of(upstream)}  # the last one holds
        for key in handlers:
            assert newest[key.partition(".")[0]] in handlers, "readers first: see CONTRIBUTING.md"


def test_a_binding_by_type_goes_on_receiving_the_first_version() -> None:
    keys = [
        Contract("letter_sent", version, Everything, "A letter was sent.").key for version in (1, 2)
    ]
    assert keys == ["letter_sent", "letter_sent.v2"]


def test_the_versions_of_a_type_follow_each_other() -> None:
    for contracts in all_contracts().values():
        for type_ in {contract.type for contract in contracts}:
            versions = [contract.version for contract in contracts if contract.type == type_]
            assert versions == list(range(1, len(versions) + 1))


def test_asyncapi_document_matches_the_contracts() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run `python -m shared.contracts`"


def test_asyncapi_document_is_complete() -> None:
    tree = yaml.safe_load(document())
    assert tree["asyncapi"] == "3.0.0"
    naming = [owner for owner in SERVICES if types_with_persons(owner)]
    assert naming == ["identity", "accounts", "payments", "helpdesk"]
    assert set(tree["channels"]) == {event_exchange(owner).name for owner in SERVICES} | {
        person_exchange(owner).name for owner in naming
    }
    promised = {f"{o}.{c.name}" for o, contracts in all_contracts().items() for c in contracts}
    assert set(tree["components"]["messages"]) == promised
    for reference in [found["$ref"] for found in subtrees(tree) if "$ref" in found]:
        target: Any = tree
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert target


def test_described_headers_are_those_of_the_relay() -> None:
    class Happened(Event, frozen=True, kw_only=True):
        topic = "notifications.happened.v1"

    recorded = Recorded(
        originator_id=UUID(int=1),
        originator_version=1,
        position=5,
        recorded_at=datetime(2026, 3, 31, tzinfo=UTC),
        command_id=UUID(int=2),
        actor="service:notifications",
        correlation_id="journey",
        event=Happened(),
    )
    publication = Publication(type="letter_sent", subject=str(UUID(int=1)), data={})
    sent = envelope("notifications", recorded, publication, 3).headers
    tree = yaml.safe_load(document())["components"]
    headers = tree["schemas"]["Headers"]
    assert set(headers["required"]) <= set(sent) <= set(headers["properties"])
    assert set(headers["properties"]) - set(sent) == {TYPE_PREDECESSOR_HEADER}
    (_, own) = tree["messages"]["notifications.letter_sent.v1"]["headers"]["allOf"]
    for header, promised in own["properties"].items():
        assert sent[header] == promised["const"]


class Everything(Schema):
    amount = Kopecks(metadata={"description": "x"})
    change = Kopecks(signed=True, metadata={"description": "x"})
    id = PlainId(metadata={"description": "x"})
    number = AccountNumber(metadata={"description": "x"})
    period = Period(metadata={"description": "x"})
    day = Day(metadata={"description": "x"})
    instant = Instant(metadata={"description": "x"})


EVERYTHING = Contract("everything", version=1, schema=Everything, summary="All fields.")


@pytest.mark.parametrize(
    "data",
    [
        {"amount": 0},
        {"amount": LARGEST_AMOUNT},
        {"change": -LARGEST_AMOUNT},
        {"id": "0b6e1f66-94a4-4b4e-a9ff-8a3c0e6c4a2d"},
        {"number": "0012345678"},
        {"period": "2026-12"},
        {"day": "2026-03-31"},
        {"instant": "2026-03-31T21:00:00.123456+00:00"},
        {"instant": "2026-03-31T21:00:00Z"},
    ],
)
def test_a_field_accepts_its_canonical_form(data: dict[str, Any]) -> None:
    EVERYTHING.check(data)


@pytest.mark.parametrize(
    "data",
    [
        {"amount": -1},
        {"amount": "100"},
        {"amount": 100.0},
        {"amount": True},
        {"amount": LARGEST_AMOUNT + 1},
        {"amount": None},
        {"id": "0B6E1F66-94A4-4B4E-A9FF-8A3C0E6C4A2D"},
        {"id": "0b6e1f6694a44b4ea9ff8a3c0e6c4a2d"},
        {"number": "12\n"},
        {"number": "12 "},
        {"number": ""},
        {"period": "2026-13"},
        {"day": "20260331"},
        {"day": "2026-02-30"},
        {"instant": "2026-03-31T21:00:00"},
        {"instant": "2026-03-31"},
    ],
)
def test_a_field_refuses_any_other_form(data: dict[str, Any]) -> None:
    with pytest.raises(ContractBroken) as caught:
        EVERYTHING.check(data)
    (value,) = data.values()
    if len(str(value)) > 4:  # a refusal names the field, never the value
        assert str(value) not in str(caught.value)


def test_field_without_description_is_refused() -> None:
    class Bare(Schema):
        amount = Kopecks()

    class Holder(Schema):
        lines = fields.List(fields.Nested(Bare), metadata={"description": "x"})

    for schema in (Bare, Holder):
        with pytest.raises(ValueError, match="amount has no metadata description"):
            payload_schema(schema)


def test_the_schema_states_the_bounds_and_allows_further_fields() -> None:
    described = payload_schema(Everything)
    assert described["properties"]["amount"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": LARGEST_AMOUNT,
        "x-unit": "kopecks",
        "description": "x",
    }
    assert described["properties"]["id"]["format"] == "uuid"
    assert "additionalProperties" not in described


@pytest.mark.parametrize(
    "mistake", [{"type": "LetterSent"}, {"type": "letter sent"}, {"version": 0}, {"summary": " "}]
)
def test_malformed_contract_is_refused(mistake: dict[str, Any]) -> None:
    parts = {"type": "letter_sent", "version": 1, "schema": Everything, "summary": "x"}
    with pytest.raises(ValueError, match=r"snake_case|start at 1|needs a summary"):
        Contract(**{**parts, **mistake})
