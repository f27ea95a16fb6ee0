"""``saldo bus describe``: exchanges, queues, and the types of events with who reads them."""

from __future__ import annotations

import json as json_
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer

from services.bus_commands.broker import Binding, opened_broker
from services.discovery import reactions_of
from services.terminal import Json, err, new_table, out, print_json, reporting, show
from shared.bus.messages import SOURCE_PREFIX
from shared.bus.topology import (
    dead_queue,
    event_exchange,
    log_exchange,
    reaction_queue,
    stream_queue,
)
from shared.config import SERVICES, load_settings
from shared.contracts import about, all_contracts, contracts_of
from shared.contracts.asyncapi import samples_of
from shared.contracts.base import Contract
from shared.contracts.json_schema import payload_schema


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """A type of event: its versions, and whose reactions take it."""

    type: str
    versions: list[int]
    summary: str
    consumers: list[str]


class ServiceOnTheBus(msgspec.Struct, frozen=True, kw_only=True):
    """What a service publishes and reads; ``bound`` is None where the broker was not asked."""

    service: str
    about: str
    log_exchange: str
    public_exchange: str
    stream: str
    reads: list[str]
    dead: str
    types: list[EventType]
    bound: list[Binding] | None


class EventVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a type, with the JSON Schema of its data and a sample."""

    service: str
    type: str
    version: int
    summary: str
    exchange: str
    routing_key: str
    dataschema: str
    consumers: list[str]
    schema: dict[str, Any]
    sample: Any


def describe(
    name: Annotated[
        str | None, typer.Argument(help="A service, or a type, such as payment_posted.")
    ] = None,
    json: Json = False,
) -> None:
    """Describe what is on the bus: exchanges, queues, types of events, and who reads them.

    Queues that others have bound are shown where SALDO_AMQP_ADMIN_URL names the management API.
    """
    with reporting():
        if name is None or name in SERVICES:
            found = list(_services([name] if name else list(SERVICES)))
            print_json(found) if json else _print_services(found)
            return
        versions = list(_versions(name))
        if not versions:
            raise ValueError(
                f"{name} is neither a service nor a type; the services are {', '.join(SERVICES)}, "
                "and `saldo bus describe SERVICE` lists the types of one"
            )
    print_json(versions) if json else _print_versions(versions)


def consumers_of(owner: str, type_: str) -> list[str]:
    """Return the services that react to a type."""
    return [name for name in SERVICES if type_ in reactions_of(name).get(owner, {})]


def _services(names: list[str]) -> Iterator[ServiceOnTheBus]:
    broker, settings = opened_broker(), load_settings()
    bindings = broker.bindings() if broker else None
    for name in names:
        public = event_exchange(name).name
        yield ServiceOnTheBus(
            service=name,
            about=about(name),
            log_exchange=log_exchange(name).name,
            public_exchange=public,
            stream=stream_queue(name, settings).name,
            reads=[reaction_queue(name, upstream).name for upstream in reactions_of(name)],
            dead=dead_queue(name).name,
            types=_types(name),
            bound=None
            if bindings is None
            else [found for found in bindings if found.exchange.startswith(f"{name}.")],
        )


def _types(owner: str) -> list[EventType]:
    versions: dict[str, list[Contract]] = {}
    for contract in contracts_of(owner):
        versions.setdefault(contract.type, []).append(contract)
    return [
        EventType(
            type=type_,
            versions=sorted(contract.version for contract in contracts),
            summary=max(contracts, key=lambda contract: contract.version).summary,
            consumers=consumers_of(owner, type_),
        )
        for type_, contracts in versions.items()
    ]


def _versions(name: str) -> Iterator[EventVersion]:
    """Yield the versions of a type, of whichever service has it; `ledger.` may stand before it."""
    for owner, contracts in all_contracts().items():
        for contract in contracts:
            if name in (contract.type, f"{owner}.{contract.type}"):
                yield EventVersion(
                    service=owner,
                    type=contract.type,
                    version=contract.version,
                    summary=contract.summary,
                    exchange=event_exchange(owner).name,
                    routing_key=contract.type,
                    dataschema=f"{SOURCE_PREFIX}contracts/{owner}/{contract.type}/"
                    f"v{contract.version}",
                    consumers=consumers_of(owner, contract.type),
                    schema=payload_schema(contract.schema),
                    sample=next(iter(samples_of(owner, contract)), None),
                )


def _print_services(found: list[ServiceOnTheBus]) -> None:
    for one in found:
        out.print(f"{one.service}: {one.about}", soft_wrap=True)
        out.print(
            f"  publishes to {one.log_exchange} (own queues and {one.stream}) and "
            f"{one.public_exchange} (subscribers)",
            soft_wrap=True,
        )
        if one.reads:
            out.print(f"  reads {', '.join(one.reads)}; dead letters: {one.dead}", soft_wrap=True)
        table = new_table("", "type", "versions", "read by", "summary")
        for type_ in one.types:
            versions = ", ".join(f"v{version}" for version in type_.versions)
            table.add_row(type_.type, versions, ", ".join(type_.consumers), type_.summary)
        show(table)
        if one.bound:
            table = new_table("Bound", "queue", "exchange", "routing key")
            for binding in one.bound:
                table.add_row(binding.queue, binding.exchange, binding.routing_key)
            show(table)
    if any(one.bound is None for one in found):
        err.print("Bound queues: set SALDO_AMQP_ADMIN_URL to see them.", soft_wrap=True)


def _print_versions(versions: list[EventVersion]) -> None:
    for one in versions:
        out.print(f"{one.service}.{one.type}, version {one.version}: {one.summary}", soft_wrap=True)
        out.print(
            f"  exchange {one.exchange}, routing key {one.routing_key}, schema {one.dataschema}; "
            f"read by {', '.join(one.consumers) or 'no service'}",
            soft_wrap=True,
        )
        table = new_table("", "field", "required", "type", "meaning")
        required = one.schema.get("required", ())
        for name, field in one.schema.get("properties", {}).items():
            kind = field.get("type", "")
            table.add_row(
                name,
                "yes" if name in required else "no",
                "/".join(kind) if isinstance(kind, list) else str(kind),
                str(field.get("description", "")),
            )
        show(table)
        if one.sample is not None:
            out.print(json_.dumps(one.sample, ensure_ascii=False, indent=2), soft_wrap=True)
