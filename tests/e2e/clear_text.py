"""Search every column of every table, and files, for secrets in clear text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
 WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
"""


def texts_of_database(url: str) -> Iterator[tuple[str, str]]:
    """Yield (schema.table.column, text) for every value; bytes are decoded, too."""
    with psycopg.connect(url) as connection:
        for schema, table in connection.execute(_TABLES).fetchall():
            rows = connection.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
            )
            names = [column.name for column in rows.description or ()]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    yield f"{schema}.{table}.{name}", _as_text(value)


def texts_of_files(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield (file name, content) for every file."""
    for path in paths:
        yield path.name, path.read_bytes().decode("utf-8", "replace")


def found_in(texts: Iterable[tuple[str, str]], secrets: Mapping[str, str]) -> set[str]:
    """Return where secrets stand in clear, as they are or escaped: "what in where"."""
    patterns = {what: _pattern(secret) for what, secret in secrets.items()}
    return {
        f"{what} in {where}"
        for where, text in texts
        for what, pattern in patterns.items()
        if pattern.search(text)
    }


def _pattern(secret: str) -> re.Pattern[str]:
    if secret.isdigit() and len(secret) < 10:
        # A short number may be part of a longer one: only a separate one counts.
        return re.compile(rf"(?<![\w.-]){secret}(?![\w-])")
    variants = {
        secret,
        secret.casefold(),
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, ""),
    }
    return re.compile("|".join(re.escape(variant) for variant in variants))


def _as_text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
