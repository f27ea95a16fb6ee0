"""Binary arrays arrive in PostgreSQL unchanged."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.config import Settings
from shared.eventstore.arrays import bigints, byteas, texts, uuids

WORDS = ["", "Пушкина, 1", 'a"b,{c}', "NULL"]
IDS = [UUID(int=0), uuid4(), UUID(int=2**128 - 1)]


@pytest.mark.parametrize(
    ("array", "of", "expected"),
    [
        (bigints([0, -1, None, 2**63 - 1, -(2**63)]), "bigint", [0, -1, None, 2**63 - 1, -(2**63)]),
        (uuids(IDS), "uuid", IDS),
        (
            texts(["", "Пушкина, 1", 'a"b,{c}', "NULL"]),
            "text",
            ["", "Пушкина, 1", 'a"b,{c}', "NULL"],
        ),
        (byteas([b"", b"\0\xff", b"x" * 70_000]), "bytea", [b"", b"\0\xff", b"x" * 70_000]),
        (bigints([]), "bigint", []),
        (uuids([]), "uuid", []),
        (texts([]), "text", []),
        (byteas([]), "bytea", []),
    ],
)
def test_array_arrives_unchanged(
    base_settings: Settings, array: Any, of: str, expected: list[Any]
) -> None:
    with psycopg.connect(base_settings.database_url) as connection:
        row = connection.execute(
            "SELECT %s AS array, pg_typeof(%s)::text", (array, array)
        ).fetchone()
        assert row == (expected, f"{of}[]")
        unnested = connection.execute("SELECT * FROM unnest(%s)", (array,)).fetchall()
        assert [value for (value,) in unnested] == expected


def test_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(struct.error):
        bigints([2**63])
