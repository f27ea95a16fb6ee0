"""Export of events, balances and statements to files: JSON Lines, CSV, Parquet.

A file gets its final name only when it is complete. Rows are streamed, so memory does not grow
with the log.
"""

from __future__ import annotations

import csv
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from psycopg import sql

from services.ledger.reports.history import statement_by_days
from services.ledger.tables.columns import BALANCES, COLUMNS, TABLES, SqlType
from shared.config import ConfigurationError
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession

Days: TypeAlias = tuple[date | None, date | None]
Row: TypeAlias = Mapping[str, Any]

BATCH_ROWS = 1_000


class What(StrEnum):
    """What can be exported."""

    EVENTS = "events"
    BALANCES = "balances"
    STATEMENT = "statement"


class Format(StrEnum):
    """The file formats; each is also the suffix of its files."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


# The log's own names: the seal's verifier reads these lines.
_EVENT = {
    "notification_id": int,
    "originator_id": str,
    "originator_version": int,
    "topic": str,
    "state": str,
    "recorded_at": str,
    "command_id": str,
    "actor": str,
    "correlation_id": str,
}
_OF_SQL: Mapping[SqlType, type] = {"text": str, "bigint": int, "json": dict, "text[]": list}
_BALANCE = {column.name: _OF_SQL[column.type] for column in TABLES[BALANCES] if not column.key}
_MOVEMENT = {
    "position": int,
    "effective_on": str,
    "recorded_at": str,
    "kind": str,
    "text": str,
    "amount": int,
    "penalty": int,
    "balance": int,
}
SHAPES: Mapping[What, Mapping[str, type]] = {
    What.EVENTS: _EVENT,
    What.BALANCES: _BALANCE,
    What.STATEMENT: _MOVEMENT,
}


def format_of(file: Path, given: Format | None) -> Format:
    """Return the given format, or the one of the file's suffix.

    Raises ValueError when neither names one, ConfigurationError when pyarrow is missing.
    """
    chosen = given or next((f for f in Format if file.suffix == f".{f}"), None)
    if chosen is None:
        raise ValueError(
            f"--format: {file.name} does not say which; name one of {', '.join(Format)}"
        )
    if chosen is Format.PARQUET and find_spec("pyarrow") is None:
        raise ConfigurationError(
            "Parquet needs the package pyarrow, which is not installed: "
            "pip install 'saldo[parquet]', or export as jsonl or csv"
        )
    return chosen


def export_to(
    store: PostgresStore,
    file: Path,
    format_: Format,
    what: What,
    account: str | None,
    days: Days,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write all rows from one snapshot and return their number.

    Raises ValueError for a missing folder, OSError when the file cannot be written; no new file is
    left then.
    """
    if not file.parent.is_dir():
        raise ValueError(f"{file.parent} is no folder to write {file.name} to")
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")

    def write(session: PostgresSession) -> int:
        session.cursor.execute("SET LOCAL statement_timeout = 0")
        rows, count = iter(_rows(session, what, account, days)), 0
        with _WRITERS[format_](partial, SHAPES[what]) as writer:
            while batch := list(islice(rows, BATCH_ROWS)):
                writer.write(batch)
                count += len(batch)
                progress(len(batch))
        return count

    try:
        count = store.query(write)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _rows(session: PostgresSession, what: What, account: str | None, days: Days) -> Iterator[Row]:
    match what:
        case What.EVENTS:
            return _events(session)
        case What.BALANCES:
            return _balances(session)
        case What.STATEMENT:
            return iter(statement_by_days(session, account or "", *days)["movements"])


def _events(session: PostgresSession) -> Iterator[Row]:
    for row in _streamed(session, "events", tuple(_EVENT), "notification_id"):
        yield {
            **row,
            "originator_id": str(row["originator_id"]),
            "state": bytes(row["state"]).decode(),
            "recorded_at": _instant(row["recorded_at"]),
            "command_id": str(row["command_id"]),
        }


def _balances(session: PostgresSession) -> Iterator[Row]:
    return _streamed(session, BALANCES, COLUMNS[BALANCES], "number")


def _streamed(
    session: PostgresSession, table: str, columns: Sequence[str], order: str
) -> Iterator[Row]:
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(table),
        sql.Identifier(order),
    )
    with session.cursor.connection.cursor(name="export") as cursor:
        cursor.itersize = BATCH_ROWS
        cursor.execute(query)
        yield from cursor


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class _Writer(ABC):
    def __init__(self, file: Path, shape: Mapping[str, type]) -> None:
        self._path, self._shape = file, shape

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""


class _JsonLines(_Writer):
    def __init__(self, file: Path, shape: Mapping[str, type]) -> None:
        super().__init__(file, shape)
        self._file = file.open("wb")
        self._encoder = msgspec.json.Encoder()

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write(self._encoder.encode_lines(rows))

    def close(self) -> None:
        self._file.close()


class _Csv(_Writer):
    """RFC 4180 with semicolons, as a Russian spreadsheet expects; lists and objects as JSON."""

    def __init__(self, file: Path, shape: Mapping[str, type]) -> None:
        super().__init__(file, shape)
        self._file = file.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, delimiter=";")
        self._csv.writerow(shape)

    def write(self, rows: Sequence[Row]) -> None:
        self._csv.writerows([_flat(row[name]) for name in self._shape] for row in rows)

    def close(self) -> None:
        self._file.close()


class _Parquet(_Writer):
    """Columns of text and 64-bit integers; lists and objects as JSON."""

    def __init__(self, file: Path, shape: Mapping[str, type]) -> None:
        super().__init__(file, shape)
        self._arrow: Any = import_module("pyarrow")
        types = {
            name: self._arrow.int64() if kind is int else self._arrow.string()
            for name, kind in shape.items()
        }
        self._schema = self._arrow.schema(list(types.items()))
        parquet: Any = import_module("pyarrow.parquet")
        self._writer = parquet.ParquetWriter(str(file), self._schema, compression="zstd")

    def write(self, rows: Sequence[Row]) -> None:
        columns = {name: [_flat(row[name]) for row in rows] for name in self._shape}
        self._writer.write_table(self._arrow.table(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _flat(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


_WRITERS: Mapping[Format, type[_Writer]] = {
    Format.JSONL: _JsonLines,
    Format.CSV: _Csv,
    Format.PARQUET: _Parquet,
}
