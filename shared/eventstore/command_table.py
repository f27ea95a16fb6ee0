"""The table ``commands``: the result of each command that was executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from shared.database import in_transaction
from shared.eventstore import refusals
from shared.eventstore.arrays import bigints, byteas, uuids
from shared.eventstore.asked import Asked, kept_refusal
from shared.eventstore.recorder import PostgresRecorder
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


def find(cursor: Any, asked: Asked) -> dict[str, Any] | None:
    """Return the fingerprint and the result of a command, or the refusal that this call of it has
    met already; None if it is to be decided."""
    ask(cursor, asked)
    return cursor.fetchone()  # type: ignore[no-any-return]


def ask(cursor: Any, asked: Asked) -> None:
    """Ask for what `find` returns."""
    if asked.at is None:
        cursor.execute(_FIND, (asked.id,))
    else:
        refusals.ask(cursor, asked)


def result_of(kept: dict[str, Any], fingerprint: bytes) -> Any:
    """Return the result that was found; raises the refusal, or Conflict if the id belongs to
    another command."""
    if kept.get("refusal") is not None:
        raise kept_refusal(bytes(kept["refusal"]))
    return kept_result(bytes(kept["fingerprint"]), bytes(kept["result"]), fingerprint)


def keep(cursor: Any, row: tuple[Any, ...]) -> None:
    """Store (id, fingerprint, result, first position, last position) of a command."""
    cursor.execute(_KEEP, row)


@contextmanager
def command_transaction(
    pool: ConnectionPool[Any], recorder: PostgresRecorder, asked: Asked, *, under_lock: bool
) -> Iterator[tuple[Any, ExitStack, dict[str, Any] | None]]:
    """Open a transaction; yield its cursor, and what `find` returns of a command.

    It begins and looks in one round trip, or takes the append lock and then looks. See
    in_transaction for the stack that is yielded between them.
    """
    looking: list[Any] = []
    together = ExitStack()

    def look(connection: Any) -> None:
        looking[:] = [connection.cursor()]
        ask(looking[0], asked)

    with in_transaction(pool, look, together) as connection:
        with looking[0] as found:
            kept = found.fetchone()
        with connection.cursor() as cursor:
            if under_lock:
                recorder.lock(cursor)
                kept = find(cursor, asked)
            yield cursor, together, kept


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
