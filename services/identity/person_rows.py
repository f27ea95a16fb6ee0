"""What identity's tables hold of one person, beside the events: all of it goes with him.

The tables are found by their columns, so that a new one with a ``person_id`` belongs to him, too,
unless it is named here. Not by ``email_index``: such a row is of the person who is named beside it
(another's change to this address stays), or of a registration, which `erasure` abandons.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

KEPT: Final = ("farewells", "persons", "security_log")
"""The tables whose rows stay: nothing in them says who he was."""

_TABLES = (
    "SELECT a.attrelid::regclass::text AS name, a.attname AS column FROM pg_attribute AS a"
    " JOIN pg_class AS c ON c.oid = a.attrelid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'"
    " AND NOT a.attisdropped AND c.relname <> ALL (%s)"
    " AND (a.attname, a.atttypid::regtype::text) IN"
    " (('person_id', 'uuid'), ('owner', 'bytea'), ('subject', 'bytea'))"
    " ORDER BY 1, 2"
)


class PersonRows:
    """Deletes the rows of a person, within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def delete(self, person_id: UUID, email_index: bytes | None) -> None:
        """Delete what belongs to a person, or is counted or kept of his address."""
        digests = [digest for digest in (person_id.bytes, email_index) if digest is not None]
        for row in self._cursor.execute(_TABLES, (list(KEPT),)).fetchall():
            mine: list[Any] = [person_id] if row["column"] == "person_id" else digests
            statement = sql.SQL("DELETE FROM {} WHERE {} = ANY (%s)").format(
                sql.Identifier(row["name"]), sql.Identifier(row["column"])
            )
            self._cursor.execute(statement, (mine,))
        # The events of before stay, sealed; this table says what is in force.
        self._cursor.execute(
            "UPDATE persons SET email = '', organisation = NULL, full_name = NULL, phone = NULL,"
            " language = DEFAULT WHERE person_id = %s",
            (person_id,),
        )
