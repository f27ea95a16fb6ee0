"""The append lock: the turn to append to a log, held for a limited time.

Positions follow the order of commit because every append takes this lock first, a transaction-level
advisory lock. A process that is stopped while it holds the lock would block its service for as long
as the server lets it: here for seconds, and longer only for a job that says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import sql

HOLDS_LOG_IDLE = "4s"
"""How long whoever holds the append lock may leave the server waiting: a process that is stopped
there blocks its service for no longer."""
HOLDS_LOG = "30s"
"""How long a transaction may hold the append lock, also in the middle of a pipeline or a COPY,
where the server does not count it as idle."""
HOLDS_LOG_GROUP = "4s"
"""The same for a group commit, which decides nothing meanwhile."""
_TRANSACTION_TIMEOUT_SINCE = 170_000  # in older servers a stopped pipeline ends with its process

# The limits run from the moment that the lock is taken.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended({lock}, 0))"
_ASKED = "nullif(current_setting('saldo.holds_log', true), '')"
_IDLE = f", set_config('idle_in_transaction_session_timeout', coalesce({_ASKED}, {{idle}}), true)"
_WHOLE = f", set_config('transaction_timeout', coalesce({_ASKED}, {{whole}}), true)"
# A group commit never asks for more, and the whole bounds its idling, too: this is the fast path.
_GROUP = ", set_config('transaction_timeout', {group}, true)"

_LAST = "SELECT notification_id, recorded_at FROM events ORDER BY notification_id DESC LIMIT 1"
# It follows the lock in the same round trip, and sees everything committed before that was taken.
# The notification is sent with the commit: whoever locks the tail appends to the log. It costs a
# lock of the whole cluster, so there is none while the relay is awake and looks for itself.
_TAIL = f"""
SELECT coalesce(max(notification_id), 0) AS position,
       greatest(clock_timestamp(), max(recorded_at)) AS recorded_at, clock_timestamp() AS clock,
       CASE WHEN pg_try_advisory_xact_lock_shared(hashtextextended({{awake}}, 0))
            THEN length(pg_notify({{channel}}, '')::text) END AS notified
  FROM ({_LAST}) AS tail
"""

# The same as a function, for whoever decides by the end of the log: its plans are kept.
_TURN = "SELECT position, recorded_at, clock FROM append_turn({idle}, {whole})"


class Statements(NamedTuple):
    """How the append lock is taken: alone, with the end of the log (append_turn.sql), and by a
    group commit, which reads the end of the log (``last``) in the statement that appends to it."""

    lock: sql.Composed
    tail: str
    group: str
    last: str


class AppendLock:
    """The statements that take the append lock of one log."""

    def __init__(self, schema: str) -> None:
        self.name = f"{schema}.events"
        self.channel = f"saldo_{schema}"
        """Where an append is notified, unless somebody holds the lock `awake`."""
        self.awake = f"{schema}.awake"
        self.crowded = f"{schema}.crowded"
        """The lock that the relay holds while readers of this log are behind."""
        self._limited = _statements(_LOCK + _IDLE + _WHOLE, _LOCK + _GROUP, HOLDS_LOG, self)
        self._unlimited = _statements(_LOCK + _IDLE, _LOCK + _IDLE, None, self)

    def take(self, cursor: Any) -> None:
        """Take the lock until the end of the transaction."""
        cursor.execute(self.statements(cursor.connection).lock, prepare=False)

    def statements(self, connection: Any) -> Statements:
        """Return the statements for the server of a connection."""
        version = connection.info.server_version
        return self._limited if version >= _TRANSACTION_TIMEOUT_SINCE else self._unlimited


_HERE = sql.SQL("current_schema() || '.events'")


def take_append_lock(cursor: Any) -> None:
    """Take the append lock of the log in the cursor's schema; see PostgresRecorder.lock."""
    limited = cursor.connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE
    text = _LOCK + _IDLE + (_WHOLE if limited else "")
    statement = sql.SQL(text).format(
        lock=_HERE, idle=sql.Literal(HOLDS_LOG_IDLE), whole=sql.Literal(HOLDS_LOG)
    )
    cursor.execute(statement, prepare=False)


def _statements(lock: str, lock_of_group: str, whole: str | None, of: AppendLock) -> Statements:
    def taken(text: str) -> sql.Composed:
        return sql.SQL(text).format(
            lock=sql.Literal(of.name),
            channel=sql.Literal(of.channel),
            awake=sql.Literal(of.awake),
            idle=sql.Literal(HOLDS_LOG_IDLE),
            whole=sql.Literal(HOLDS_LOG),
            group=sql.Literal(HOLDS_LOG_GROUP),
        )

    return Statements(
        lock=taken(lock),
        tail=sql.SQL(_TURN)
        .format(idle=sql.Literal(HOLDS_LOG_IDLE), whole=sql.Literal(whole))
        .as_string(),
        group=taken(lock_of_group).as_string(),
        last=taken(_TAIL).as_string(),
    )


def hold_log_for(cursor: Any, limit: str) -> None:
    """Let this transaction hold the append lock for up to ``limit`` (``"60s"``): it is a bulk job.

    To be called before the lock is taken.
    """
    cursor.execute("SELECT set_config('saldo.holds_log', %s, true)", (limit,))
