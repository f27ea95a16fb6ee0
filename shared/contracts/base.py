"""Contracts of published events, and the fields that they share.

A contract is a promise to other systems. Within a version, fields are only added, as optional
ones; any other change is a new version beside the old one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import marshmallow
from marshmallow import Schema, fields, validate

from shared.books import service_of
from shared.money import MAX_AMOUNT

#: The largest amount that one field carries: a hundred of the largest postings, and still an
#: integer that every JSON reader keeps exact (below 2^53).
LARGEST_AMOUNT: Final = 100 * MAX_AMOUNT

#: Where the gateway serves the JSON Schemas.
SCHEMA_BASE: Final = "/saldo/contracts"

#: Needed because `Contract.type` hides the built-in inside the class.
SchemaClass = type[Schema]

_TYPE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class ContractBroken(ValueError):  # noqa: N818 - a finding
    """The data of an event does not match its contract.

    The text names fields, never their values: it ends up in logs.
    """


@dataclass(frozen=True)
class Contract:
    """One published event type in one version.

    `type` is the event's name without its owner, in the past tense and snake_case
    ("account_linked"): it is `cloudEvents_type`. `schema` is a marshmallow schema class whose every
    field carries `metadata={"description": ...}`; with `"grows": True` for a list of values that
    may gain some within the version. `summary` is one English sentence for the generated
    documentation.
    """

    type: str
    version: int
    schema: SchemaClass
    summary: str

    def __post_init__(self) -> None:
        if not _TYPE.fullmatch(self.type):
            raise ValueError(f"The event type {self.type!r} must be snake_case.")
        if self.version < 1:
            raise ValueError(f"Versions of {self.type} start at 1, not at {self.version}.")
        if not self.summary.strip():
            raise ValueError(f"The contract {self.type} needs a summary.")

    @property
    def name(self) -> str:
        """The type with its version, as in file and message names: "account_linked.v1"."""
        return f"{self.type}.v{self.version}"

    @property
    def key(self) -> str:
        """Its routing key, which is also the key of a reaction to it: see `contract_key`."""
        return contract_key(self.type, self.version)

    def check(self, data: Mapping[str, Any]) -> None:
        """Raise `ContractBroken` unless `data` (plain JSON) matches; unknown fields are refused."""
        try:
            self.schema().load(data, unknown=marshmallow.RAISE)
        except marshmallow.ValidationError as error:
            raise ContractBroken(f"{self.name}: {error.messages}") from None


def contract_key(type_: str, version: int) -> str:
    """Return the routing key of a version of an event: "letter_sent", then "letter_sent.v2".

    Who has bound a type goes on receiving its first version, whatever is published beside it.
    """
    return type_ if version == 1 else f"{type_}.v{version}"


def schema_name(owner: str, type_: str, version: int) -> str:
    """Return the name of a contract in `cloudEvents_dataschema`: the path of its JSON Schema."""
    return f"{SCHEMA_BASE}/{service_of(owner)}/{type_}/v{version}"


class FullMatch(validate.Regexp):
    """Requires the whole text to match: Python's "$" allows a trailing line feed."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self._whole = re.compile(pattern)

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, str) or self._whole.fullmatch(value) is None:
            raise marshmallow.ValidationError(self.error)
        return value


class Kopecks(fields.Integer):
    """An amount in integer kopecks. Strict: no text, no fraction, no boolean.

    By default from zero to `LARGEST_AMOUNT`; `signed=True` also takes the negative (a balance,
    a recalculation). The schema names the unit, so that a change of it is noticed.
    """

    def __init__(self, *, signed: bool = False, **kwargs: Any) -> None:
        lowest = -LARGEST_AMOUNT if signed else 0
        bounds = validate.Range(min=lowest, max=LARGEST_AMOUNT)
        kwargs.setdefault("validate", bounds)
        metadata = {"x-unit": "kopecks", **kwargs.pop("metadata", {})}
        super().__init__(strict=True, metadata=metadata, **kwargs)


class PlainId(fields.String):
    """The id of a thing: a UUID in its canonical text, lower case with hyphens."""

    def __init__(self, **kwargs: Any) -> None:
        form = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
        metadata = {"format": "uuid", **kwargs.pop("metadata", {})}
        super().__init__(validate=FullMatch(form), metadata=metadata, **kwargs)


class PersonId(PlainId):
    """The id of a person, which only subscribers with a grant for persons get.

    The number of a personal account is no such id: it names a contract, and nothing published tells
    whose it is.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"person": True, **kwargs.pop("metadata", {})}, **kwargs)


def person_fields(schema: SchemaClass) -> frozenset[str]:
    """Return the names of the fields that identify a person, at the top of a contract's data."""
    return frozenset(
        name for name, field in schema().fields.items() if field.metadata.get("person")
    )


class AccountNumber(fields.String):
    """The number of a personal account: 1 to 20 digits; leading zeros count."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=FullMatch(r"^[0-9]{1,20}$"), **kwargs)


class Tenure(fields.Integer):
    """Which tenure of a number it is, from the second on: a number may have several in turn."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(min=2, max=9_999), **kwargs)


class Period(fields.String):
    """A billing month: "2026-03"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=FullMatch(r"^[0-9]{4}-(0[1-9]|1[0-2])$"), **kwargs)


class Day(fields.Date):
    """A calendar day, ISO 8601: "2026-03-31"."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or len(value) != len("2026-03-31"):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **kwargs)


class Instant(fields.AwareDateTime):
    """A moment with its offset, RFC 3339: "2026-03-31T21:00:00+00:00"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", default_timezone=None, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or "T" not in value:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **kwargs)
