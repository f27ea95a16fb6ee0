"""How far the migrations of a schema have come, for whoever looks while a migrator works."""

from __future__ import annotations

from datetime import datetime
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import tuple_row

from shared.database import connect_as_owner
from shared.eventstore.freezing import is_closed
from shared.eventstore.migration_steps import Kind, SchemaMovedError
from shared.eventstore.migrations import steps_in

_BUILDING = """
SELECT p.phase, p.blocks_done, p.blocks_total FROM pg_stat_progress_create_index AS p
  JOIN pg_class AS c ON c.oid = p.relid
 WHERE p.datname = current_database() AND c.relnamespace = current_schema()::regnamespace LIMIT 1
"""


class StepStatus(NamedTuple):
    """A step that is not applied: the rows that a backfill has filled, and the time of the news."""

    name: str
    kind: str
    state: str
    detail: str = ""
    rows: int = 0
    since: datetime | None = None


def status_of(owner_url: str, service: str, directory: Traversable) -> list[StepStatus]:
    """Return the steps of a service that are not applied yet, in their order.

    Raises SchemaMovedError where the schema has moved away from there.
    """
    with connect_as_owner(owner_url) as connection:
        if is_closed(connection, service):
            raise SchemaMovedError(f"{service} has moved to another database")
        connection.execute("SELECT set_config('search_path', quote_ident(%s), false)", (service,))
        applied = {row[0] for row in _rows(connection, "migrations", "name")}
        news = {
            row[0]: row
            for row in _rows(
                connection, "migration_progress", "name, state, detail, rows, updated_at"
            )
        }
        building = connection.execute(_BUILDING).fetchone()
    found = []
    for step in steps_in(directory):
        if step.name in applied:
            continue
        idle = "after the roll-out" if step.level and applied else "next"
        _, state, detail, rows, since = news.get(step.name, (step.name, idle, "", 0, None))
        if step.kind is Kind.CONCURRENT and state == "running" and building is not None:
            phase, done, total = building
            detail = f"{detail}: {phase}" + (f", {100 * done // total} %" if total else "")
        found.append(StepStatus(step.name, step.kind, state, detail, rows, since))
    return found


def _rows(connection: psycopg.Connection[Any], table: str, columns: str) -> list[Any]:
    """Return columns of a table of the schema; nothing of one that is not there yet."""
    row = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    if row is None or row[0] is None:
        return []
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(f"SELECT {columns} FROM {table}").fetchall()
