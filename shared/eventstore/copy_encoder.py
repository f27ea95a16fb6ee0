"""Rows of ``events`` in PostgreSQL's binary COPY format."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_BLOCK = 1 << 18


class CopyEncoder:
    """Encodes (originator id, version, topic, state) of events to append after a position.

    All rows of an append share their cause and time, and most share their topic. Only id, version,
    state and position differ, so one struct per topic packs all fields before the state. This makes
    a bulk append a quarter faster than psycopg's ``write_row``: see decision 14 in ARCHITECTURE.md.
    """

    _SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
    _POSITION = struct.Struct(">iq")

    def __init__(
        self,
        position: int,
        recorded_at: datetime,
        command_id: UUID,
        actor: str,
        correlation_id: str,
    ) -> None:
        self.position = position
        microseconds = (recorded_at - _EPOCH) // timedelta(microseconds=1)
        actor_bytes, correlation = actor.encode(), correlation_id.encode()
        length = struct.Struct(">i")
        self._tail = (
            struct.pack(">iq", 8, microseconds)
            + struct.pack(">i16s", 16, command_id.bytes)
            + length.pack(len(actor_bytes))
            + actor_bytes
            + length.pack(len(correlation))
            + correlation
        )
        self._topics: dict[str, tuple[Callable[..., bytes], int, bytes]] = {}

    def blocks(self, rows: Iterable[tuple[UUID, int, str, bytes]]) -> Iterable[bytes]:
        """Yield the stream in blocks of about 256 KiB."""
        place, tail, topics = self._POSITION.pack, self._tail, self._topics
        position, parts, size = self.position, [self._SIGNATURE], 0
        for originator_id, version, topic, state in rows:
            position += 1
            head, topic_length, topic_bytes = topics.get(topic) or self._topic(topic)
            length = len(state)
            parts += (
                head(9, 16, originator_id.bytes, 8, version, topic_length, topic_bytes, length),
                state,
                place(8, position),
                tail,
            )
            size += length + 128
            if size > _BLOCK:
                yield b"".join(parts)
                parts, size = [], 0
        self.position = position
        parts.append(struct.pack(">h", -1))
        yield b"".join(parts)

    def _topic(self, topic: str) -> tuple[Callable[..., bytes], int, bytes]:
        encoded = topic.encode()
        pack = struct.Struct(f">hi16siqi{len(encoded)}si").pack
        return self._topics.setdefault(topic, (pack, len(encoded), encoded))
