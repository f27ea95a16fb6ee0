"""The AsyncAPI document as a reference shows it: the events of each owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from gateway.cabinet.shapes import Member, Schemas, Shape, as_json
from shared.contracts.asyncapi import DESCRIPTION, described, document
from shared.contracts.json_schema import schema_files, schema_text


@dataclass(frozen=True, kw_only=True)
class PublishedEvent:
    """One event in one version."""

    name: str
    """With its version, as in the document: ``payment_posted.v1``."""
    routing_key: str
    summary: str
    headers: Mapping[str, str]
    """What distinguishes its messages: header → value."""
    schema: str
    """The address of its JSON Schema, which its messages name."""
    shapes: tuple[Shape, ...]
    sample: str


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A service, its exchange, and its events."""

    name: str
    exchange: str
    about: str
    events: tuple[PublishedEvent, ...]


@dataclass(frozen=True, kw_only=True)
class EventReference:
    """The whole document."""

    description: str
    owners: Mapping[str, Owner]
    headers: tuple[Member, ...]
    """The headers that every message has."""


@lru_cache(maxsize=1)
def event_reference() -> EventReference:
    """Return the reference of the published events, made once for the process."""
    return read_events(described())


@lru_cache(maxsize=1)
def event_document() -> str:
    """Return the document itself, with the version of the installed package."""
    return document(version("saldo"))


@lru_cache(maxsize=1)
def event_schemas() -> Mapping[str, str]:
    """Return the JSON Schema of every event by its address."""
    return {schema["$id"]: schema_text(schema) for schema in schema_files().values()}


def read_events(tree: Mapping[str, Any]) -> EventReference:
    """Return the reference of an AsyncAPI document."""
    schemas = Schemas(tree)
    owners = {}
    for channel in tree["channels"].values():
        exchange = channel["bindings"]["amqp"]["exchange"]["name"]
        owner, _, kind = exchange.partition(".")
        if kind != "events":
            continue
        owners[owner] = Owner(
            name=owner,
            exchange=exchange,
            about=channel["description"],
            events=tuple(_event(schemas, *item) for item in channel["messages"].items()),
        )
    headers = schemas.resolved({"$ref": "#/components/schemas/Headers"})
    (shape,) = schemas.shapes(headers, "headers")
    return EventReference(description=DESCRIPTION, owners=owners, headers=shape.members)


def _event(schemas: Schemas, name: str, node: Any) -> PublishedEvent:
    message = schemas.resolved(node)
    _, own = message["headers"]["allOf"]
    examples = message.get("examples", ())
    headers = {header: value["const"] for header, value in own["properties"].items()}
    return PublishedEvent(
        name=name,
        routing_key=message["name"],
        summary=message["summary"],
        headers=headers,
        schema=headers["cloudEvents_dataschema"],
        shapes=tuple(schemas.shapes(message["payload"], name)),
        sample=as_json(examples[0]["payload"]) if examples else "",
    )
