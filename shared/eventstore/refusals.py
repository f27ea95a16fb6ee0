"""Refusals that callers were told, kept while the same call may still be under way elsewhere.

A call is repeated when its reply does not come, so a command may be decided several times at once.
An execution that is accepted is found by its command id; one that is refused leaves nothing behind.
So another execution of the same call could be accepted when the state has changed, after its caller
was told that nothing has been done. Therefore a refusal is kept, and holds for each execution of
the same command that was asked for *before* it (`RequestContext.asked_at`). Who sends a command
again because it was refused asks for it afterwards: it is decided anew. Jobs and reactions tell
nobody: their refusals are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from shared.errors import ServiceError
from shared.eventstore.asked import Asked

HORIZON_S: Final = 60
"""How long after a refusal an execution of the same call may begin: longer than any deadline.

It bounds what a gateway can do that has not been told the time: its callers are refused for so
long.
"""
_MOST_FORGOTTEN = 20
"""So many old refusals go with each new one."""

_FIND = f"""
SELECT fingerprint, result, NULL::jsonb AS refusal FROM commands WHERE command_id = %(id)s
UNION ALL
SELECT fingerprint, NULL, refusal FROM refusals
 WHERE command_id = %(id)s AND fingerprint = %(fingerprint)s
   AND refused_at > greatest(to_timestamp(%(at)s), clock_timestamp() - interval '{HORIZON_S} s')
"""
_KEEP = f"""
WITH old AS (
    DELETE FROM refusals WHERE (command_id, fingerprint) IN (
        SELECT command_id, fingerprint FROM refusals
         WHERE refused_at < clock_timestamp() - interval '{2 * HORIZON_S} s'
         ORDER BY refused_at LIMIT {_MOST_FORGOTTEN} FOR UPDATE SKIP LOCKED)
)
INSERT INTO refusals (command_id, fingerprint, refusal) VALUES (%s, %s, %s)
ON CONFLICT (command_id, fingerprint)
DO UPDATE SET refusal = excluded.refusal, refused_at = clock_timestamp()
"""
_WAIT_FOR = (
    "INSERT INTO commands (command_id, fingerprint, result) VALUES (%s, '', '') "
    "ON CONFLICT (command_id) DO NOTHING"
)
_CHECK = "SELECT check_not_refused(%s, %s, %s)"


def ask(cursor: Any, asked: Asked) -> None:
    """Ask for the command's row, with a result or with a refusal that holds for this call.

    The row of a command that was executed comes first.
    """
    cursor.execute(_FIND, msgspec.structs.asdict(asked))


def keep(
    transaction: Callable[[], AbstractContextManager[Any]], asked: Asked, refusal: ServiceError
) -> None:
    """Keep what the callers of a command are refused with, and wait for those who commit it.

    Whoever has looked for a refusal before this one was kept has the command's id by then: he is
    committed when this returns, or rolled back.
    """
    with transaction() as cursor:
        cursor.execute(_KEEP, (asked.id, asked.fingerprint, Jsonb(refusal.as_wire())))
    with transaction() as cursor:
        cursor.execute(_WAIT_FOR, (asked.id,))
        raise psycopg.Rollback  # the id was taken only to wait for the others


def check(cursor: Any, asked: Asked) -> None:
    """Raise SerializationFailure if the command was refused since it was looked up."""
    if asked.at is not None:
        cursor.execute(_CHECK, (asked.id, asked.fingerprint, asked.at))
