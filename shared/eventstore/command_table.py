"""The table ``commands``: the result of each command that was executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.eventstore.arrays import bigints, byteas, uuids
from shared.eventstore.session import kept_result

_FIND = "SELECT fingerprint, result FROM commands WHERE command_id = %s"
_FIND_MANY = "SELECT command_id, fingerprint, result FROM commands WHERE command_id = ANY (%s)"
_KEEP = (
    "INSERT INTO commands (command_id, fingerprint, result, first_position, last_position) "
    "VALUES (%s, %s, %s, %s, %s)"
)
_KEEP_MANY = (
    "INSERT INTO commands (command_id, fingerprint, result, first_position, last_position) "
    "SELECT * FROM unnest(%s, %s, %s, %s, %s)"
)


def find(cursor: Any, command_id: UUID) -> dict[str, Any] | None:
    """Return the fingerprint and the result of a command, None if it was not executed."""
    ask(cursor, command_id)
    return cursor.fetchone()  # type: ignore[no-any-return]


def ask(cursor: Any, command_id: UUID) -> None:
    """Ask for what `find` returns."""
    cursor.execute(_FIND, (command_id,))


def result_of(kept: dict[str, Any], fingerprint: bytes) -> Any:
    """Return the result that was found; raises Conflict if the id belongs to another command."""
    return kept_result(bytes(kept["fingerprint"]), bytes(kept["result"]), fingerprint)


def keep(cursor: Any, row: tuple[Any, ...]) -> None:
    """Store (id, fingerprint, result, first position, last position) of a command."""
    cursor.execute(_KEEP, row)


def find_many(cursor: Any, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, bytes]]:
    """Return (fingerprint, result) by id, for the commands that were executed."""
    cursor.execute(_FIND_MANY, (list(ids),))
    return {
        row["command_id"]: (bytes(row["fingerprint"]), bytes(row["result"]))
        for row in cursor.fetchall()
    }


def keep_many(cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store the same of many commands as :func:`keep` of one."""
    if rows:
        ids, fingerprints, results, firsts, lasts = zip(*rows, strict=True)
        cursor.execute(
            _KEEP_MANY,
            (uuids(ids), byteas(fingerprints), byteas(results), bigints(firsts), bigints(lasts)),
        )
