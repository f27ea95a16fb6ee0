"""What identity's tables hold of one person, beside the events: all of it goes with him."""

from __future__ import annotations

from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg

OF_PERSON: Final[tuple[LiteralString, ...]] = ("credentials", "sessions", "support_codes")
"""The tables whose rows belong to a person, by ``person_id``."""

OF_ADDRESS: Final[tuple[tuple[LiteralString, LiteralString], ...]] = (
    ("attempts", "subject"),
    ("codes", "email_index"),
)
"""Tables and columns with the keyed hash of an address."""

KEPT: Final = frozenset({"farewells", "persons", "security_log"})
"""The tables with ``person_id`` that stay: nothing in them says who he was."""


class PersonRows:
    """Deletes the rows of a person, within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def delete(self, person_id: UUID, email_index: bytes | None) -> None:
        """Delete what belongs to a person, or is known of his address."""
        for table in OF_PERSON:
            self._cursor.execute(f"DELETE FROM {table} WHERE person_id = %s", (person_id,))  # noqa: S608
        self._cursor.execute("DELETE FROM attempts WHERE subject = %s", (person_id.bytes,))
        for table, column in OF_ADDRESS if email_index is not None else ():
            self._cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", (email_index,))  # noqa: S608
        # The events of before stay, sealed; this table says what is in force.
        self._cursor.execute(
            "UPDATE persons SET email = '', organisation = NULL, full_name = NULL, phone = NULL"
            " WHERE person_id = %s",
            (person_id,),
        )
