"""Messages of the bus: public events as CloudEvents 1.0 in binary mode over AMQP.

The body is the contract's plain JSON. The headers carry the CloudEvents attributes, the position
of the event in its service's log, and the position of the published event before it, so that a
reader detects a missing one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import msgspec

from shared.bus.epochs import FIRST_EPOCH
from shared.config import Settings
from shared.contracts.base import contract_key, schema_name
from shared.eventstore import Recorded, Session, Store

CONTENT_TYPE = "application/json"
SOURCE_PREFIX = "/saldo/"
POSITION_HEADER = "saldo_position"
PREDECESSOR_HEADER = "saldo_predecessor"
TYPE_PREDECESSOR_HEADER = "saldo_type_predecessor"
"""On the live exchanges: readers of some types alone detect a gap by it."""
EPOCH_HEADER = "saldo_epoch"
"""The epoch of the log that the position belongs to; older messages have none."""
CORRELATION_HEADER = "saldo_correlation_id"
TYPE_HEADER = "cloudEvents_type"
TIME_HEADER = "cloudEvents_time"
SUBJECT_HEADER = "cloudEvents_subject"
SCHEMA_HEADER = "cloudEvents_dataschema"
REPEATED_HEADERS = frozenset(
    ("cloudEvents_specversion", "cloudEvents_source", TYPE_HEADER, SCHEMA_HEADER, EPOCH_HEADER)
)
"""The headers that many messages share the values of."""


class Publication(msgspec.Struct, frozen=True):
    """The public form of a domain event: type and version of its contract, subject, data."""

    type: str
    subject: str
    data: dict[str, Any]
    version: int = 1

    @property
    def key(self) -> str:
        """Its routing key: the type, and from the second version on the version, too."""
        return contract_key(self.type, self.version)


Published: TypeAlias = Publication | Sequence[Publication] | None
"""What a domain event is to others: nothing, a publication, or one in several versions."""
Publish: TypeAlias = Callable[[Recorded], Published]
"""What makes the published form of a service's events."""


class Envelope(msgspec.Struct, frozen=True):
    """A publication in wire format; ``command_id`` is not sent: it is the cause, for traces."""

    routing_key: str
    headers: dict[str, Any]
    body: bytes
    command_id: UUID | None = None


class MalformedMessageError(Exception):
    """A message that was damaged, or that no relay of Saldo has sent."""


class UnknownVersionError(MalformedMessageError):
    """A message of a type that the reader knows, in a version that it does not: it is too old."""


@dataclass(frozen=True)
class Message:
    """A public event, decoded for a reaction."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    position: int
    predecessor: int
    correlation_id: str
    data: dict[str, Any]
    version: int = 1
    epoch: str = FIRST_EPOCH

    @property
    def key(self) -> str:
        """The type, and from the second version on the version, too."""
        return contract_key(self.type, self.version)


class Services(Protocol):
    """The dependencies of a reaction or a job besides its session."""

    @property
    def settings(self) -> Settings:
        """The settings of the installation."""
        ...

    @property
    def store(self) -> Store:
        """The store of the service."""
        ...

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        """Call another service; raises its ServiceError, or Unavailable."""
        ...


Reaction: TypeAlias = Callable[[Session, Message, Services], None]


@dataclass(frozen=True)
class Job:
    """Scheduled work of a service; ``run`` returns how many items it processed.

    It is called every ``every`` seconds, and again at once while it returns more than 0.
    """

    name: str
    every: float
    run: Callable[[Any], int]


@dataclass(frozen=True)
class Task:
    """Lasting work that every worker process of a service does; ``run`` returns on stop."""

    name: str
    run: Callable[[Any], None]


def in_order(published: Published) -> Sequence[Publication]:
    """Return the versions of one event, the oldest first.

    They share a position. A reader that takes the first one that it knows takes the event once:
    the others are duplicates to it.
    """
    if published is None:
        return ()
    if isinstance(published, Publication):
        return (published,)
    return sorted(published, key=lambda one: one.version)


def event_id(service: str, epoch: str, position: int) -> str:
    """Return the id of an event, which no event of another line of the log shares."""
    if epoch == FIRST_EPOCH:
        return f"{service}-{position}"
    return f"{service}-{epoch}-{position}"


def envelope(
    service: str,
    recorded: Recorded,
    publication: Publication,
    predecessor: int,
    epoch: str = FIRST_EPOCH,
) -> Envelope:
    """Return the wire form of a publication."""
    return Envelope(
        routing_key=publication.key,
        headers={
            "cloudEvents_specversion": "1.0",
            "cloudEvents_id": event_id(service, epoch, recorded.position),
            "cloudEvents_source": SOURCE_PREFIX + service,
            TYPE_HEADER: publication.type,
            TIME_HEADER: recorded.recorded_at.isoformat(),
            SUBJECT_HEADER: publication.subject,
            SCHEMA_HEADER: schema_name(service, publication.type, publication.version),
            POSITION_HEADER: recorded.position,
            PREDECESSOR_HEADER: predecessor,
            EPOCH_HEADER: epoch,
            CORRELATION_HEADER: recorded.correlation_id,
        },
        body=msgspec.json.encode(publication.data),
        command_id=recorded.command_id,
    )


class TypePredecessors:
    """The positions of the last events by type, for messages that pass by in the order of the log.

    ``last`` has them, so far; ``floor`` stands for a type that has none. The versions of one event
    have one predecessor.
    """

    def __init__(self, last: Mapping[str, int], floor: int = 0) -> None:
        self.last = dict(last)
        self._floor = floor
        self._before: dict[str, int] = {}

    def added_to(self, message: Envelope) -> Envelope:
        """Return the message with the position of the event of its type before it, as a header."""
        type_, position = message.headers[TYPE_HEADER], message.headers[POSITION_HEADER]
        if self.last.get(type_) != position:
            self._before[type_] = self.last.get(type_, self._floor)
            self.last[type_] = position
        before = self._before.get(type_, self._floor)
        return msgspec.structs.replace(
            message, headers={**message.headers, TYPE_PREDECESSOR_HEADER: before}
        )


def read_message(headers: Mapping[str, Any], body: bytes, *, with_data: bool = True) -> Message:
    """Rebuild a message from headers and body; raises MalformedMessageError.

    Without data the body is only checked: for a reader that has nothing to do with its type.
    """
    try:
        data = msgspec.json.decode(body, type=dict) if with_data else _checked(body)
        return Message(
            id=str(headers["cloudEvents_id"]),
            type=str(headers[TYPE_HEADER]),
            source=str(headers["cloudEvents_source"]).removeprefix(SOURCE_PREFIX),
            subject=str(headers.get(SUBJECT_HEADER, "")),
            time=datetime.fromisoformat(str(headers[TIME_HEADER])),
            position=int(headers[POSITION_HEADER]),
            predecessor=int(headers[PREDECESSOR_HEADER]),
            correlation_id=str(headers.get(CORRELATION_HEADER, "")),
            data=data,
            version=_version(headers["cloudEvents_dataschema"]),
            epoch=epoch_of(headers),
        )
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        # The text of the error may quote the body, which may be personal: only its type is kept.
        raise MalformedMessageError(f"unreadable message ({type(error).__name__})") from None


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _checked(body: bytes) -> dict[str, Any]:
    """Return nothing for a JSON object; raises for what is none, in a third of the decoder's time.

    It does not look at how large numbers are.
    """
    body.decode()  # what is skipped below may be no text at all
    _OBJECT.decode(body)
    return {}


def _version(schema: Any) -> int:
    _, mark, version = str(schema).rpartition("/v")
    if not mark:
        raise ValueError("the schema has no version")
    return int(version)


def epoch_of(headers: Mapping[str, Any]) -> str:
    """Return the epoch in the headers; works for malformed messages too."""
    return str(headers.get(EPOCH_HEADER) or FIRST_EPOCH)


def position_of(headers: Mapping[str, Any]) -> int | None:
    """Return the position in the headers, if any; works for malformed messages too."""
    position = headers.get(POSITION_HEADER)
    return position if type(position) is int else None
