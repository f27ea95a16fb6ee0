"""The bytes of an event that the seal covers: every column of its row, and nothing else.

A leaf is the prefix ``saldo/event/v1`` and a newline (15 bytes), then nine fields, each preceded
by its length in bytes as an unsigned 4-byte big-endian integer:

====================  ===========================================================  ============
field, in this order  content                                                      length
====================  ===========================================================  ============
notification_id       the position in the log, from 1                              8
originator_id         the UUID of the stream, its 16 bytes in network order        16
originator_version    the number of the event in its stream, from 1                8
topic                 UTF-8                                                        any
state                 the bytes of the event's JSON exactly as stored              any
recorded_at           microseconds since 1970-01-01T00:00:00Z, no leap seconds     8
command_id            UUID, as above                                               16
actor                 UTF-8                                                        any
correlation_id        UTF-8                                                        any
====================  ===========================================================  ============

Integers are signed, big-endian, two's complement. The hash of a leaf is SHA-256 over a 0x00 byte
and these bytes; its index in the tree is ``notification_id - 1``.

The JSON form of a row (:func:`to_json`; a line of an export) has the same nine names: UUIDs as
text, ``recorded_at`` as ISO 8601 in UTC, and ``state`` as a string with the JSON text.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

PREFIX = b"saldo/event/v1\n"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = struct.Struct(">IqI16sIqI")
_MIDDLE = struct.Struct(">IqI16sI")
_LENGTH = struct.Struct(">I")
_FIELDS = 9
_SIGNED_64 = 1 << 63


class LeafError(ValueError):
    """Bytes or JSON that do not encode an event."""


class EventRow(NamedTuple):
    """A row of the table ``events``; ``recorded_at`` in microseconds since 1970, UTC."""

    notification_id: int
    originator_id: bytes
    originator_version: int
    topic: str
    state: bytes
    recorded_at: int
    command_id: bytes
    actor: str
    correlation_id: str


def encode(row: EventRow) -> bytes:
    """Return the leaf of a row, in the format above."""
    (position, originator, version, topic, state, recorded_at, command, actor, correlation) = row
    topic_, actor_, correlation_ = topic.encode(), actor.encode(), correlation.encode()
    return b"".join(
        (
            PREFIX,
            _HEAD.pack(8, position, 16, originator, 8, version, len(topic_)),
            topic_,
            _LENGTH.pack(len(state)),
            state,
            _MIDDLE.pack(8, recorded_at, 16, command, len(actor_)),
            actor_,
            _LENGTH.pack(len(correlation_)),
            correlation_,
        )
    )


def decode(leaf: bytes) -> EventRow:
    """Return the row of a leaf; raises LeafError for bytes that encode cannot return."""
    if not leaf.startswith(PREFIX):
        raise LeafError(f"the leaf does not begin with {PREFIX!r}")
    fields, at = [], len(PREFIX)
    for _ in range(_FIELDS):
        end = at + _LENGTH.size
        if end > len(leaf):
            raise LeafError("the leaf is too short")
        at, (length,) = end, _LENGTH.unpack_from(leaf, at)
        fields.append(leaf[at : at + length])
        at += length
    if at != len(leaf):
        raise LeafError("the lengths in the leaf do not add up to its length")
    position, originator, version, topic, state, recorded_at, command, actor, correlation = fields
    if [len(field) for field in (position, version, recorded_at)] != [8, 8, 8]:
        raise LeafError("a number in the leaf does not have 8 bytes")
    if len(originator) != 16 or len(command) != 16:
        raise LeafError("a UUID in the leaf does not have 16 bytes")
    try:
        return EventRow(
            int.from_bytes(position, signed=True),
            originator,
            int.from_bytes(version, signed=True),
            topic.decode(),
            state,
            int.from_bytes(recorded_at, signed=True),
            command,
            actor.decode(),
            correlation.decode(),
        )
    except UnicodeDecodeError:
        raise LeafError("a text in the leaf is not UTF-8") from None


def to_json(row: EventRow) -> dict[str, Any]:
    """Return the JSON form of a row; raises LeafError when the row has none."""
    try:
        recorded_at = _EPOCH + timedelta(microseconds=row.recorded_at)
        state = row.state.decode()
    except (OverflowError, UnicodeDecodeError):
        raise LeafError(f"event {row.notification_id} has no JSON form: it was altered") from None
    return {
        "notification_id": row.notification_id,
        "originator_id": str(UUID(bytes=row.originator_id)),
        "originator_version": row.originator_version,
        "topic": row.topic,
        "state": state,
        "recorded_at": recorded_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "command_id": str(UUID(bytes=row.command_id)),
        "actor": row.actor,
        "correlation_id": row.correlation_id,
    }


def from_json(fields: Any) -> EventRow:
    """Return the row of a JSON form; raises LeafError.

    A form that :func:`to_json` would write differently is refused, so that a reader sees exactly
    what is proven.
    """
    if not isinstance(fields, Mapping):
        raise LeafError("an event is not a JSON object")
    if set(fields) != set(EventRow._fields):
        raise LeafError(f"an event has exactly the fields {', '.join(EventRow._fields)}")
    try:
        recorded_at = datetime.fromisoformat(_text(fields, "recorded_at"))
        row = EventRow(
            _number(fields, "notification_id"),
            UUID(_text(fields, "originator_id")).bytes,
            _number(fields, "originator_version"),
            _text(fields, "topic"),
            _text(fields, "state").encode(),
            (recorded_at - _EPOCH) // timedelta(microseconds=1),
            UUID(_text(fields, "command_id")).bytes,
            _text(fields, "actor"),
            _text(fields, "correlation_id"),
        )
    except LeafError:
        raise
    except (TypeError, ValueError):
        # TypeError: a time without a zone. The message may quote the data, so it is not passed on.
        raise LeafError("a UUID, a time or a text of the event is malformed") from None
    if to_json(row) != fields:
        raise LeafError("a UUID or a time of the event is not written as an export writes it")
    return row


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise LeafError(f"{name} is not a string")
    value.encode()  # UnicodeEncodeError, a ValueError, for half of a surrogate pair
    return value


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or not -_SIGNED_64 <= value < _SIGNED_64:
        raise LeafError(f"{name} is not an integer of 64 bits")
    return value
