"""The reference of what writes rows: raw COPY of the same rows into tables with the same indexes.

It is the least that a database must do for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.measure import seconds


def dump(owner: psycopg.Connection[Any], tables: Sequence[str], folder: Path) -> None:
    """Write the rows of tables to files, in the binary format of COPY."""
    with owner.cursor() as cursor:
        for table in tables:
            with (
                (folder / table).open("wb") as file,
                cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy,
            ):
                for block in copy:
                    file.write(block)


def copied(owner: psycopg.Connection[Any], tables: Sequence[str], folder: Path) -> float:
    """Return the seconds in which the rows are copied into tables with the same indexes."""
    with owner.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS raw_{table} (LIKE {table} INCLUDING ALL)")
            cursor.execute(f"TRUNCATE raw_{table}")

        def copy_all() -> None:
            for table in tables:
                with (
                    (folder / table).open("rb") as file,
                    cursor.copy(f"COPY raw_{table} FROM STDIN (FORMAT BINARY)") as copy,
                ):
                    while block := file.read(1 << 18):
                        copy.write(block)

        return seconds(copy_all)
