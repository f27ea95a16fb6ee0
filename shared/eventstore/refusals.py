"""Refusals that callers were told, kept while the same call may still be under way elsewhere.

A call is repeated when its reply does not come, so a command may be decided several times at once.
An execution that is accepted is found by its command id; one that is refused leaves nothing behind.
So another execution of the same call could be accepted when the state has changed, after its caller
was told that nothing has been done. Therefore a refusal is kept, and holds for each execution of
the same command that was asked for before (`RequestContext.asked_at`). Who sends a command again
because it was refused asks for it afterwards: it is decided anew.

That is for calls that come by the gateway. Jobs and reactions tell nobody, and staff, whose clocks
nobody compares, run a verb again: their refusals are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import msgspec

from shared.errors import ServiceError
from shared.eventstore.asked import Asked

HORIZON_MIN: Final = 10
"""How long a refusal holds, in minutes. An execution begins later than any deadline where its
process stood still, or had orders to close first.

No longer, because a gateway that has not been told the time may be behind: then what its callers
send again is refused for so long, too.
"""
_MOST_FORGOTTEN = 20
"""So many old refusals go with each new one."""

_HOLDS = f"greatest(to_timestamp(%(at)s), clock_timestamp() - interval '{HORIZON_MIN} min')"
"""A refusal holds for a call if it is younger."""
_FIND = f"""
SELECT fingerprint, result, NULL::bytea AS refusal FROM commands WHERE command_id = %(id)s
UNION ALL
SELECT fingerprint, NULL, refusal FROM refusals
 WHERE command_id = %(id)s AND fingerprint = %(fingerprint)s AND refused_at > {_HOLDS}
"""
_CHECK = f"SELECT check_not_refused(%(id)s, %(fingerprint)s, {_HOLDS})"
_KEEP = f"""
WITH old AS (
    DELETE FROM refusals WHERE (command_id, fingerprint) IN (
        SELECT command_id, fingerprint FROM refusals
         WHERE refused_at < clock_timestamp() - interval '{2 * HORIZON_MIN} min'
         ORDER BY refused_at LIMIT {_MOST_FORGOTTEN} FOR UPDATE SKIP LOCKED)
)
INSERT INTO refusals (command_id, fingerprint, refusal) VALUES (%s, %s, %s)
ON CONFLICT (command_id, fingerprint)
DO UPDATE SET refusal = excluded.refusal, refused_at = clock_timestamp()
"""
_WAIT = (
    "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.command.' || %s::text, 0))"
)


def ask(cursor: Any, asked: Asked) -> None:
    """Ask for the command's row, with a result or with a refusal that holds for this call.

    The row of a command that was executed comes first.
    """
    cursor.execute(_FIND, msgspec.structs.asdict(asked))


def keep(
    transaction: Callable[[], AbstractContextManager[Any]], asked: Asked, refusal: ServiceError
) -> None:
    """Keep what the callers of a command are refused with, and wait for those who commit it.

    Whoever has not found this refusal, by `check`, holds the command's lock to the end of his
    transaction: what he has done can be found when this returns.
    """
    with transaction() as cursor:
        kept = msgspec.json.encode(refusal.as_wire())
        cursor.execute(_KEEP, (asked.id, asked.fingerprint, kept))
    with transaction() as cursor:
        cursor.execute(_WAIT, (asked.id,))


def check(cursor: Any, asked: Asked) -> None:
    """Raise SerializationFailure if the command was refused since it was looked up."""
    if asked.at is not None:
        cursor.execute(_CHECK, msgspec.structs.asdict(asked))
