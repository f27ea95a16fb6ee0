"""The JSON Schemas of published events: valid, true of every sample, and never broken.

A schema that was committed is a promise; `make contracts` refuses to replace it by one that breaks
it. What else was ever committed on the main branch is looked up in git.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from marshmallow import Schema, fields, validate

from shared.config import SERVICES
from shared.contracts import __main__ as command
from shared.contracts import contracts_of
from shared.contracts.asyncapi import described, samples_of
from shared.contracts.base import Contract, Kopecks
from shared.contracts.compatibility import breaches, reworded
from shared.contracts.json_schema import SCHEMAS, payload_schema, schema_files, schema_text

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(schema_files())
OF_FILE = pytest.mark.parametrize("file", FILES, ids=[str(file.with_suffix("")) for file in FILES])
LIST = "x-extensible-enum"


def contract_of(file: Path) -> Contract:
    (found,) = [one for one in contracts_of(str(file.parent)) if one.name == file.stem]
    return found


def places(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema and each one inside it."""
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from places(inner)
    if "items" in schema:
        yield from places(schema["items"])


@OF_FILE
def test_a_schema_is_valid_and_true_of_every_sample(file: Path) -> None:
    schema = schema_files()[file]
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    samples = samples_of(str(file.parent), contract_of(file))
    for sample in samples:
        validator.validate(sample)
        validator.validate({**sample, "surprise": 1})  # readers ignore what they do not know
        for name in schema.get("required", ()):
            assert not validator.is_valid({key: sample[key] for key in sample if key != name})
    assert samples


@OF_FILE
def test_a_message_without_the_identifiers_of_persons_is_valid(file: Path) -> None:
    schema = schema_files()[file]
    persons = {name for name, one in schema["properties"].items() if "x-saldo-person" in one}
    assert persons.isdisjoint(schema.get("required", ()))
    for sample in samples_of(str(file.parent), contract_of(file)):
        left = {name: value for name, value in sample.items() if name not in persons}
        jsonschema_rs.validate(schema, left)


def test_identifiers_of_persons_are_marked() -> None:
    for file, schema in schema_files().items():
        for name, one in schema["properties"].items():
            if name.endswith(("person_id", "person_ids")):
                assert one["x-saldo-person"] is True, (file, name)


def test_every_event_has_its_schema_file_and_no_other() -> None:
    assert {path.relative_to(SCHEMAS) for path in SCHEMAS.rglob("*.json")} == set(FILES)
    for file, schema in schema_files().items():
        assert (SCHEMAS / file).read_text("utf-8") == schema_text(schema), "run `make contracts`"


def test_a_schema_is_named_as_the_messages_name_it() -> None:
    messages = described()["components"]["messages"]
    for file, schema in schema_files().items():
        _, own = messages[f"{file.parent}.{file.stem}"]["headers"]["allOf"]
        assert own["properties"]["cloudEvents_dataschema"]["const"] == schema["$id"]
        assert (
            messages[f"{file.parent}.{file.stem}"]["payload"]["properties"]
            == (schema["properties"])
        )


# --- What breaks a promise ---------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


def remove_a_field(place: dict[str, Any]) -> None:
    del place["properties"][next(iter(place["properties"]))]


def rename_a_field(place: dict[str, Any]) -> None:
    name = next(iter(place["properties"]))
    place["properties"][f"{name}_2"] = place["properties"].pop(name)


def add_a_required_field(place: dict[str, Any]) -> None:
    place["properties"]["surprise"] = {"type": "string"}
    place["required"] = [*place.get("required", ()), "surprise"]


def require_or_release_a_field(place: dict[str, Any]) -> None:
    name = next(iter(place["properties"]))
    place["required"] = sorted(set(place.get("required", ())) ^ {name})


def refuse_unknown_fields(place: dict[str, Any]) -> None:
    place["additionalProperties"] = False


def other(keyword: str, value: Any) -> Change:
    def change(place: dict[str, Any]) -> None:
        place[keyword] = value

    return change


OF_OBJECTS = (
    remove_a_field, rename_a_field, add_a_required_field, require_or_release_a_field,
    refuse_unknown_fields,
)  # fmt: skip
OF_ALL = (
    *(other("type", kind) for kind in ("number", ["string", "null"])),
    other("format", "hostname"),
    other("x-unit", "roubles"),
    other("const", 1),
)
OF_KEYWORDS: dict[str, tuple[Change, ...]] = {
    "pattern": (other("pattern", "^[0-9]+$"), lambda place: place.pop("pattern")),
    "minimum": (other("minimum", 3), other("minimum", -7)),
    "maximum": (other("maximum", 10), lambda place: place.pop("maximum")),
    "minItems": (other("minItems", 2), lambda place: place.pop("minItems")),
    "maxLength": (other("maxLength", 5),),
    "enum": (
        lambda place: place["enum"].append("surprise"),
        lambda place: place["enum"].pop(),
        lambda place: place.__setitem__(LIST, place.pop("enum")),
    ),
    LIST: (
        lambda place: place[LIST].pop(0),
        lambda place: place.__setitem__("enum", place.pop(LIST)),
    ),
    "items": (lambda place: place.pop("items"),),
}


def mutants(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every incompatible change that we know, made at every place of a schema."""
    for place, there in enumerate(places(schema)):
        changes = [*OF_ALL, *(OF_OBJECTS if "properties" in there else ())]
        changes += [one for keyword in OF_KEYWORDS.keys() & there for one in OF_KEYWORDS[keyword]]
        for change in changes:
            mutant = copy.deepcopy(schema)
            change(list(places(mutant))[place])
            yield mutant


@OF_FILE
def test_every_incompatible_change_of_a_schema_is_found(file: Path) -> None:
    schema = schema_files()[file]
    found = list(mutants(schema))
    assert len(found) > len(list(places(schema))) * len(OF_ALL)
    for mutant in found:
        assert list(breaches(schema, mutant)), mutant
    assert not list(breaches(schema, schema))


@OF_FILE
def test_optional_fields_and_values_of_a_growing_list_may_be_added(file: Path) -> None:
    schema = schema_files()[file]
    grown = copy.deepcopy(schema)
    for place in list(places(grown)):
        if "properties" in place:
            place["properties"]["surprise"] = {"type": "string"}
        if LIST in place:
            place[LIST].append("surprise")
    assert grown != schema
    assert not list(breaches(schema, grown))


def test_other_words_are_noticed_apart() -> None:
    schema = schema_files()[Path("ledger/payment_posted.v1.json")]
    changed = copy.deepcopy(schema)
    changed["properties"]["allocation"]["items"]["properties"]["amount"]["description"] = "Roubles."
    assert not list(breaches(schema, changed))
    assert list(reworded(schema, changed)) == ["allocation[].amount"]


# --- The command that writes them --------------------------------------------------------------


class Paid(Schema):
    amount = Kopecks(required=True, metadata={"description": "What was paid."})
    kind = fields.String(
        validate=validate.OneOf(["cash", "card"]), metadata={"description": "How.", "grows": True}
    )


@pytest.fixture
def promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of schemas in which `paid` stands as it was published."""
    folder = tmp_path / "schemas"
    file = folder / "ledger/paid.v1.json"
    file.parent.mkdir(parents=True)
    file.write_text(schema_text(payload_schema(Paid)), "utf-8")
    monkeypatch.setattr(command, "SCHEMAS", folder)
    monkeypatch.setattr(command, "DOCUMENT", tmp_path / "asyncapi.yaml")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, schemas: dict[Path, dict[str, Any]], *options: str) -> int:
    monkeypatch.setattr(command, "schema_files", lambda: schemas)
    monkeypatch.setattr(sys, "argv", ["contracts", *options])
    return command.main()


def test_an_incompatible_change_is_refused_and_the_way_on_is_said(
    promised: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Narrowed(Paid):
        amount = Kopecks(required=True, signed=True, metadata={"description": "What was paid."})

    before = (promised / "ledger/paid.v1.json").read_text("utf-8")
    file = Path("ledger/paid.v1.json")
    for options in ((), ("--check",), ("--same-meaning",)):
        assert run(monkeypatch, {file: payload_schema(Narrowed)}, *options) == 1
        said = capsys.readouterr().err
        assert "ledger/paid.v1: amount: minimum was 0" in said
        assert "the next version beside it" in said
        assert "Publish a\nnew version of an event" in said
    assert run(monkeypatch, {}) == 1
    assert "the contract was removed" in capsys.readouterr().err
    assert (promised / file).read_text("utf-8") == before


def test_other_words_are_written_only_when_they_mean_the_same(
    promised: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Reworded(Paid):
        amount = Kopecks(required=True, metadata={"description": "The sum paid."})

    file = Path("ledger/paid.v1.json")
    assert run(monkeypatch, {file: payload_schema(Reworded)}) == 1
    assert "--same-meaning" in capsys.readouterr().err
    assert run(monkeypatch, {file: payload_schema(Reworded)}, "--same-meaning") == 0
    assert "The sum paid." in (promised / file).read_text("utf-8")


def test_an_added_field_is_written_and_check_asks_for_that(
    promised: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Grown(Paid):
        note = fields.String(metadata={"description": "A note."})

    schemas = {Path("ledger/paid.v1.json"): payload_schema(Grown)}
    assert run(monkeypatch, schemas, "--check") == 1
    assert "paid.v1.json" in capsys.readouterr().err
    assert run(monkeypatch, schemas) == 0
    assert run(monkeypatch, schemas, "--check") == 0
    assert "note" in (promised / "ledger/paid.v1.json").read_text("utf-8")


# --- Everything that was ever published --------------------------------------------------------


def ever_committed(folder: str) -> dict[tuple[Path, str], str]:
    """Return the text of every version of the files in a folder on the main line, by (file, id)."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    if not (ROOT / ".git").exists():  # an unpacked archive
        pytest.skip("this is not a git checkout")
    names = set()
    for commit in git("rev-list", "--first-parent", "HEAD", "--", folder).split():
        for line in git("ls-tree", "-r", commit, folder).splitlines():
            information, _, path = line.partition("\t")
            if path.endswith(".json"):
                names.add((Path(path).relative_to(folder), information.split()[2]))
    return {(path, id_): git("cat-file", "blob", id_) for path, id_ in names}


def test_no_schema_that_was_ever_committed_is_broken() -> None:
    schemas = schema_files()
    for (file, _), text in ever_committed("shared/contracts/schemas").items():
        assert file in schemas, f"{file} was published: other systems still read it"
        assert not list(breaches(json.loads(text), schemas[file])), file


def test_no_sample_that_was_ever_committed_is_changed_or_invalid() -> None:
    schemas = schema_files()
    committed = ever_committed("shared/contracts/samples")
    for (file, _), text in committed.items():
        assert (ROOT / "shared/contracts/samples" / file).read_text("utf-8") == text, file
        name = ".".join(file.name.split(".")[:2])
        jsonschema_rs.validate(schemas[file.with_name(f"{name}.json")], json.loads(text))
    assert {str(file.parent) for file, _ in committed} == set(SERVICES)
