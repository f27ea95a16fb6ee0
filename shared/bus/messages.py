"""What travels on the bus: public events as CloudEvents 1.0 in binary mode over AMQP.

The body is the contract's plain JSON. The headers carry the CloudEvents attributes, the position
of the event in its service's log, and the position of the published event before it, so that a
reader notices when one is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import msgspec

from shared.config import Settings
from shared.eventstore import Recorded, Session, Store

CONTENT_TYPE = "application/json"
SOURCE_PREFIX = "/saldo/"
POSITION_HEADER = "saldo_position"
PREDECESSOR_HEADER = "saldo_predecessor"
CORRELATION_HEADER = "saldo_correlation_id"


class Publication(msgspec.Struct, frozen=True):
    """The public form of a domain event: a type of a contract, its subject, its data."""

    type: str
    subject: str
    data: dict[str, Any]
    version: int = 1


class Envelope(msgspec.Struct, frozen=True):
    """A publication as it stands on the wire."""

    routing_key: str
    headers: dict[str, Any]
    body: bytes


class MalformedMessageError(Exception):
    """A message that no relay of ours has sent, or that was damaged on its way."""


@dataclass(frozen=True)
class Message:
    """A public event as a reaction gets it."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    position: int
    predecessor: int
    correlation_id: str
    data: dict[str, Any]


class Services(Protocol):
    """What a reaction or a job may use besides its session."""

    @property
    def settings(self) -> Settings:
        """The settings of the installation."""
        ...

    @property
    def store(self) -> Store:
        """The store of the service that reacts."""
        ...

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        """Call another service; raises the ServiceError that it answered, or Unavailable."""
        ...


Reaction: TypeAlias = Callable[[Session, Message, Services], None]


@dataclass(frozen=True)
class Job:
    """Something that a service does by itself: ``run`` answers how many things it did.

    It is called every ``every`` seconds, and at once again while it answers more than 0.
    """

    name: str
    every: float
    run: Callable[[Any], int]


def envelope(
    service: str, recorded: Recorded, publication: Publication, predecessor: int
) -> Envelope:
    """Return the wire form of a publication."""
    return Envelope(
        routing_key=publication.type,
        headers={
            "cloudEvents_specversion": "1.0",
            "cloudEvents_id": f"{service}-{recorded.position}",
            "cloudEvents_source": SOURCE_PREFIX + service,
            "cloudEvents_type": publication.type,
            "cloudEvents_time": recorded.recorded_at.isoformat(),
            "cloudEvents_subject": publication.subject,
            "cloudEvents_dataschema": (
                f"{SOURCE_PREFIX}contracts/{service}/{publication.type}/v{publication.version}"
            ),
            POSITION_HEADER: recorded.position,
            PREDECESSOR_HEADER: predecessor,
            CORRELATION_HEADER: recorded.correlation_id,
        },
        body=msgspec.json.encode(publication.data),
    )


def read_message(headers: Mapping[str, Any], body: bytes) -> Message:
    """Rebuild a message from headers and body; raises MalformedMessageError."""
    try:
        data = msgspec.json.decode(body)
        if not isinstance(data, dict):
            raise TypeError("the body is not a JSON object")
        return Message(
            id=str(headers["cloudEvents_id"]),
            type=str(headers["cloudEvents_type"]),
            source=str(headers["cloudEvents_source"]).removeprefix(SOURCE_PREFIX),
            subject=str(headers.get("cloudEvents_subject", "")),
            time=datetime.fromisoformat(str(headers["cloudEvents_time"])),
            position=int(headers[POSITION_HEADER]),
            predecessor=int(headers[PREDECESSOR_HEADER]),
            correlation_id=str(headers.get(CORRELATION_HEADER, "")),
            data=data,
        )
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        # The text of the error may quote the body, which may be personal: only its kind is told.
        raise MalformedMessageError(f"unreadable message ({type(error).__name__})") from None


def position_of(headers: Mapping[str, Any]) -> int | None:
    """Return the position that the headers name, if they do: the body may still be broken."""
    position = headers.get(POSITION_HEADER)
    return position if isinstance(position, int) else None
