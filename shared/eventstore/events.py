"""Domain events and their stored form: an explicit topic and a JSON state.

The topic names the event and the version of its shape (``ledger.charges_posted.v1``), never a
Python path, so that code can move. The state is the JSON of the event's fields; actor, command and
time of recording are columns of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec

from shared.errors import Unavailable

Upcast: TypeAlias = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]
"""Converts the state of an older shape to (newer topic, newer state)."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened to one aggregate, named in the past tense.

    A concrete event sets ``topic`` and declares its fields. It holds no id of its aggregate and no
    time of recording (the log has both), no secret, and no personal data in clear.

    Its fields are plain values, so it is never part of a cycle and needs no garbage collection
    (``gc=False``), which halves the time to read a long stream.
    """

    topic: ClassVar[str]


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its position in the log.

    ``position`` counts from 1 without gaps over all events of the service, in the order of commit;
    ``recorded_at`` (aware, UTC) never decreases along it.
    """

    originator_id: UUID
    originator_version: int
    position: int
    recorded_at: datetime
    command_id: UUID
    actor: str
    correlation_id: str
    event: Event


class UnknownTopicError(Unavailable):
    """The log has a topic that this code does not know: a newer version has written it.

    A process of that version can do what this one cannot, so a caller sends the same again, and a
    leader lets another process lead (:mod:`shared.bus.worker`).
    """

    def __init__(self, topic: str) -> None:
        super().__init__(
            "service_unavailable",
            "This process is older than what it has to read; send the same again, for a newer one.",
        )
        self.topic = topic

    def __str__(self) -> str:
        return (
            f"the log holds {self.topic}, which this version of the code does not know; deploy the "
            "version that wrote it, or a newer one"
        )


class EventTypes:
    """The events of one service: encodes, decodes, and upcasts older shapes."""

    def __init__(self, *types: type[Event], upcasts: dict[str, Upcast] | None = None) -> None:
        self._encoder = msgspec.json.Encoder(decimal_format="string")
        self._decoders = {cls.topic: msgspec.json.Decoder(cls) for cls in types}
        self._types = {cls.topic: cls for cls in types}
        self._upcasts = dict(upcasts or {})
        if len(self._types) != len(types):
            raise ValueError("two events of one service share a topic")
        for topic in self._upcasts:
            if topic in self._types:
                raise ValueError(f"{topic} is a current topic: only older ones are upcast")

    @property
    def topics(self) -> frozenset[str]:
        """The current topics."""
        return frozenset(self._types)

    def encode(self, event: Event) -> bytes:
        """Return the stored state of an event."""
        if event.topic not in self._types:
            raise TypeError(f"{event.topic} is not among the events of this service")
        return self._encoder.encode(event)

    def decode(self, topic: str, state: bytes) -> Event:
        """Rebuild an event from its topic and state.

        Raises UnknownTopicError for a topic that is neither current nor upcast, and
        msgspec.ValidationError when the state does not match the topic.
        """
        decoder = self._decoders.get(topic)
        if decoder is not None:
            return decoder.decode(state)
        return self._decode_older(topic, msgspec.json.decode(state))

    def _decode_older(self, topic: str, fields: dict[str, Any]) -> Event:
        while topic not in self._types:
            upcast = self._upcasts.get(topic)
            if upcast is None:
                raise UnknownTopicError(topic)
            topic, fields = upcast(fields)
        return msgspec.convert(fields, self._types[topic])
