"""Array parameters in PostgreSQL's binary format.

A group of commands, or a batch of reactions, writes its rows by one statement over ``unnest``:
``INSERT ... SELECT * FROM unnest(%s, %s)`` with ``uuids(...)`` and ``bigints(...)``. Only
``bigints`` takes None, as NULL.

psycopg dumps a list element by element. Joining packed elements saves a fifth of the CPU time of a
payment in a group commit: see decision 14 in ARCHITECTURE.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = struct.Struct(">iiiii").pack
_LENGTH = struct.Struct(">i").pack
_BIGINT = struct.Struct(">iq").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
_EMPTY = struct.Struct(">iii").pack


class _Array:
    """An encoded array; the subclass determines its type."""

    __slots__ = ("wire",)
    element = 0

    def __init__(self, parts: Sequence[bytes]) -> None:
        if parts:
            # One dimension, indices from 1; PostgreSQL detects NULLs by itself.
            head = _HEAD(1, 0, self.element, len(parts), 1)
            self.wire = b"".join((head, *parts))
        else:
            self.wire = _EMPTY(0, 0, self.element)


class _Bigints(_Array):
    element = 20


class _Uuids(_Array):
    element = 2950


class _Texts(_Array):
    element = 25


class _Bytes(_Array):
    element = 17


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> bytes:
        wire: bytes = obj.wire
        return wire


def _register(cls: type[_Array], array_oid: int) -> None:
    adapters.register_dumper(
        cls, type(f"{cls.__name__}Dumper", (_ArrayDumper,), {"oid": array_oid})
    )


for _cls, _oid in ((_Bigints, 1016), (_Uuids, 2951), (_Texts, 1009), (_Bytes, 1001)):
    _register(_cls, _oid)


def bigints(values: Iterable[int | None]) -> Any:
    """Return a bigint[]."""
    return _Bigints([_NULL if value is None else _BIGINT(8, value) for value in values])


def uuids(values: Iterable[UUID]) -> Any:
    """Return a uuid[]; fast when the same id comes many times in a row."""
    parts, last, part = [], None, b""
    for value in values:
        if value is not last:
            last, part = value, _UUID_LENGTH + value.bytes
        parts.append(part)
    return _Uuids(parts)


def texts(values: Iterable[str]) -> Any:
    """Return a text[]; fast when few texts are repeated often."""
    packed: dict[str, bytes] = {}
    parts = []
    for value in values:
        part = packed.get(value)
        if part is None:
            part = packed[value] = _with_length(value.encode())
        parts.append(part)
    return _Texts(parts)


def byteas(values: Iterable[bytes]) -> Any:
    """Return a bytea[]."""
    return _Bytes([_with_length(value) for value in values])


def _with_length(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value
