"""JSON Schema as the tables of a reference page: shapes, their members, and samples of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

LIMITS = (
    "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties",
    "maxProperties", "default", "x-extensible-enum", "x-saldo-person",
)  # fmt: skip
"""The keywords that a page shows as they are: a developer knows them, and they need no language."""

_OF_FORMAT = {
    "uuid": "0b6e7c1e-4d2a-4f65-9c55-0f3a1d9a7b10",
    "date": "2026-05-15",
    "date-time": "2026-05-14T09:30:00+00:00",
    "email": "ivanov@example.org",
    "password": "correct horse battery",
}
_OF_TYPE: Mapping[str, Any] = {"integer": 1, "number": 1, "boolean": True, "string": "…"}


@dataclass(frozen=True, kw_only=True)
class Member:
    """A row of a table: one member of a shape, a parameter or a header."""

    name: str
    kind: str
    """``string, uuid``, ``array of``, ``null or``; the shape that follows is in ``shape``."""
    shape: str = ""
    required: bool = False
    description: str = ""
    limits: tuple[str, ...] = ()
    example: str = ""
    place: str = ""
    """Of a parameter: ``path``, ``query`` or ``header``."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A table: the members of one JSON object."""

    name: str
    members: tuple[Member, ...]


class Schemas:
    """The schemas of a document: follows references, and reads shapes."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def resolved(self, node: Any) -> Any:
        """Return a node, or what it refers to; parts of ``allOf`` become one schema."""
        while isinstance(node, Mapping) and "$ref" in node:
            target: Any = self._document
            for step in str(node["$ref"]).removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        if isinstance(node, Mapping) and "allOf" in node:
            node = self._merged(node)
        return node

    def shapes(self, schema: Schema, name: str) -> list[Shape]:
        """Return the shape of a schema and every shape within it, each once, outermost first."""
        found: dict[str, Shape] = {}
        waiting = [(name, schema)]
        while waiting:
            outer, inner = waiting.pop(0)
            for title, described in self._objects(inner, outer):
                if title in found:
                    continue
                members = tuple(self._members(title, described))
                found[title] = Shape(name=title, members=members)
                properties = described.get("properties", {})
                waiting += [(f"{title}.{member}", properties[member]) for member in properties]
        return [shape for shape in found.values() if shape.members]

    def member(self, name: str, schema: Schema, *, inside: str = "", **more: Any) -> Member:
        """Return the row of a schema; ``more`` are what its owner says of it."""
        described = self.resolved(schema)
        kind, shape = self._kind(schema, f"{inside}.{name}" if inside else name)
        values: dict[str, Any] = {
            "description": described.get("description", ""),
            "limits": tuple(self._limits(schema)),
            "example": _text(examples[0]) if (examples := examples_of(described)) else "",
        }
        return Member(name=name, kind=kind, shape=shape, **values | more)

    def sample(self, schema: Schema, *, whole: bool = True) -> Any:
        """Return a value that fits a schema: of its examples, else a plain one.

        Without ``whole``, only members that have to be there.
        """
        described = self.resolved(schema)
        if examples := examples_of(described):
            return examples[0]
        for keyword in ("anyOf", "oneOf"):
            if keyword in described:
                return self.sample(described[keyword][0], whole=whole)
        if "const" in described or "enum" in described:
            return described.get("const", next(iter(described.get("enum", ())), None))
        if "properties" in described:
            required = described.get("required", ())
            return {
                name: self.sample(inner, whole=whole)
                for name, inner in described["properties"].items()
                if whole or name in required
            }
        if "items" in described:
            return [self.sample(described["items"], whole=whole)]
        return _plain(described)

    def _merged(self, node: Schema) -> dict[str, Any]:
        merged: dict[str, Any] = {key: value for key, value in node.items() if key != "allOf"}
        for part in map(self.resolved, node["allOf"]):
            for key, value in part.items():
                if key == "properties":
                    merged[key] = {**value, **merged.get(key, {})}
                elif key == "required":
                    merged[key] = [*value, *merged.get(key, ())]
                else:
                    merged.setdefault(key, value)
        return merged

    def _objects(self, schema: Schema, name: str) -> Iterator[tuple[str, Schema]]:
        """Yield the named objects of which a schema directly consists."""
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
        described = self.resolved(schema)
        if "properties" in described:
            yield name, described
        for inner in _parts(described):
            yield from self._objects(inner, name)

    def _members(self, shape: str, described: Schema) -> Iterator[Member]:
        required = described.get("required", ())
        for name, schema in described.get("properties", {}).items():
            yield self.member(name, schema, inside=shape, required=name in required)

    def _kind(self, schema: Schema, name: str) -> tuple[str, str]:
        """Return a type in words, and the shape that the words end in."""
        objects = [title for title, _ in self._objects(schema, name)]
        return self._words(schema), objects[0] if objects else ""

    def _words(self, schema: Schema) -> str:
        described = self.resolved(schema)
        if "items" in described:
            return f"array of {self._words(described['items'])}"
        alternatives = [*described.get("anyOf", ()), *described.get("oneOf", ())]
        formats = [one["format"] for one in (described, *alternatives) if "format" in one]
        if any("format" not in one or "type" in one for one in alternatives):
            return " or ".join(dict.fromkeys(self._words(one) for one in alternatives))
        types = described.get("type", "any")
        words = " or ".join(types) if isinstance(types, list) else str(types)
        return f"{words}, {' or '.join(formats)}" if formats else words

    def _limits(self, schema: Schema) -> Iterator[str]:
        described = self.resolved(schema)
        for keyword in LIMITS:
            if keyword in described and described[keyword] is not None:
                value = described[keyword]
                listed = ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)
                yield f"{keyword}: {listed}"
        for inner in _parts(described):
            if "properties" not in self.resolved(inner):
                yield from self._limits(inner)


def examples_of(described: Schema) -> list[Any]:
    """Return the examples of a schema, a parameter or a media type, in any of their forms."""
    if "example" in described:
        return [described["example"]]
    examples = described.get("examples", ())
    if isinstance(examples, Mapping):
        return [one["value"] for one in examples.values() if "value" in one]
    return list(examples)


def as_json(value: Any) -> str:
    """Return a value as a person reads JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _parts(described: Schema) -> Iterable[Schema]:
    inner = [*described.get("anyOf", ()), *described.get("oneOf", ())]
    if "items" in described:
        inner.append(described["items"])
    if isinstance(described.get("additionalProperties"), Mapping):
        inner.append(described["additionalProperties"])
    return inner


def _plain(described: Schema) -> Any:
    types = described.get("type", "string")
    name = types[0] if isinstance(types, list) else types
    if name in ("integer", "number"):
        return described.get("minimum", _OF_TYPE[name])
    if name in ("object", "null"):
        return {} if name == "object" else None
    return _OF_FORMAT.get(described.get("format", ""), _OF_TYPE.get(name, "…"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
