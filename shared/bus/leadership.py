"""Work that one process at a time does for a service: whoever holds its advisory lock.

PostgreSQL releases the lock when the connection ends, for whatever reason; another process that
waits for it then goes on. It ends the connection of a leader that has fallen silent itself. Whoever
was paused meanwhile does not know that yet. So each lead has a term, a number that rises with each
lock taken, and what a leader writes is conditional on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as StopSignal
from threading import Lock
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from shared import telemetry
from shared.bus.epochs import KnownHistory
from shared.bus.liveness import beating, evict_silent
from shared.config import Settings
from shared.database import STATEMENT_TIMEOUT_MS, BoundedConnection, connection_info
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

POLL_S = 0.5
SURE_S = 1.0
"""How long a leader takes the lead for granted, in the middle of what it sends."""
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS mine"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_BEGIN = """
INSERT INTO leaders (task, term) VALUES (%s, 1)
ON CONFLICT (task) DO UPDATE SET term = leaders.term + 1
RETURNING term, pg_postmaster_start_time() AS started_at
"""
_CHECK = "SELECT FROM leaders WHERE task = %s AND term = %s AND pg_postmaster_start_time() = %s"
_HELD = "EXISTS (SELECT FROM leaders WHERE task = %(task)s AND term = %(term)s)"
_WITHOUT_DISK = "set_config('synchronous_commit', 'off', true) = 'off'"
_HELD_HERE = (
    "EXISTS (SELECT FROM leaders WHERE task = %(task)s AND term = %(term)s"
    " AND pg_postmaster_start_time() = %(started_at)s)"
)


class LeadLostError(Exception):
    """Another process leads by now: nothing that this one has begun may count."""


@dataclass(frozen=True)
class Lead:
    """The lead of a task: the connection that holds the lock, and the term."""

    connection: psycopg.Connection[Any]
    task: str
    term: int
    started_at: datetime
    """When the server was started that holds the lock."""
    known: KnownHistory = field(default_factory=KnownHistory, compare=False, repr=False)
    """The history of the log on this connection."""
    _notes: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list, compare=False, repr=False
    )

    def check(self) -> None:
        """Raise LeadLostError, or what psycopg raises, unless the lead is still ours."""
        self.check_on(self.connection)

    def check_on(self, connection: Any) -> None:
        """Raise LeadLostError unless this connection or cursor is to our server, and we lead it.

        For what is done on another connection than the one that holds the lock.
        """
        found = connection.execute(_CHECK, (self.task, self.term, self.started_at))
        if found.fetchone() is None:
            raise LeadLostError(self.task)

    def write_on(self, cursor: Any, statement: str, parameters: dict[str, Any]) -> None:
        """Execute an UPDATE on another connection, conditional on what check_on asks for.

        The statement ends in a condition. `check_written` says whether that holds, once a pipeline
        has ended in which it is sent.
        """
        held = {"task": self.task, "term": self.term, "started_at": self.started_at}
        cursor.execute(f"{statement} AND {_HELD_HERE}", parameters | held)

    def check_written(self, cursor: Any) -> None:
        """Raise LeadLostError where the UPDATE of write_on has found no row."""
        if not cursor.rowcount:
            raise LeadLostError(self.task)

    def while_ours(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items while the lead is ours; the caller has just checked that it is.

        It is checked again when an item took long: the process may have been paused. Raises like
        check.
        """
        checked = time.monotonic()
        for item in items:
            if time.monotonic() - checked > SURE_S:
                self.check()
                checked = time.monotonic()
            yield item

    def note(self, statement: str, parameters: dict[str, Any]) -> None:
        """Execute an UPDATE like `write`, of how far some work has got that may be done again.

        Its commit does not wait for the disk. It outlives every process; a server that crashes may
        lose the last half second of such notes, after which as much is done once more.
        """
        self.note_later(statement, parameters)
        self.note_all()

    def note_later(self, statement: str, parameters: dict[str, Any]) -> None:
        """Have the same executed by the next `asking`, in its round trip."""
        self._notes.append((f"{statement} AND {_WITHOUT_DISK} AND {_HELD}", self._held(parameters)))

    @property
    def has_notes(self) -> bool:
        """Whether something waits to be noted."""
        return bool(self._notes)

    def note_all(self) -> None:
        """Note what waits; raises LeadLostError like `write`."""
        if self._notes:
            with self.asking():
                pass

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what waits at the end of a block, also where it ends because a broker is lost.

        What that has confirmed is then not sent once more to whoever has got it.
        """
        try:
            yield
        except (psycopg.Error, LeadLostError):
            raise  # nothing can be noted any more
        except Exception:
            try:
                self.note_all()
            except (psycopg.Error, LeadLostError) as second:
                log.warning("notes_lost", task=self.task, error=type(second).__name__)
            raise
        else:
            self.note_all()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Send the statements of a block by one round trip, after what waits to be noted.

        All of them are one transaction. Raises LeadLostError when a note finds no row.
        """
        with ExitStack() as cursors:
            noting = [cursors.enter_context(self.connection.cursor()) for _ in self._notes]
            with self.connection.pipeline():
                for cursor, (statement, parameters) in zip(noting, self._notes, strict=True):
                    cursor.execute(statement, parameters)
                yield
            self._notes.clear()
            if not all(cursor.rowcount for cursor in noting):
                raise LeadLostError(self.task)

    def write(self, statement: str, parameters: dict[str, Any]) -> None:
        """Execute an UPDATE on the connection of the lock, conditional on the term.

        The statement ends in a condition. Raises LeadLostError when it finds no row.
        """
        done = self.connection.execute(f"{statement} AND {_HELD}", self._held(parameters))
        if not done.rowcount:
            raise LeadLostError(self.task)

    def _held(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return parameters | {"task": self.task, "term": self.term}


class LockConnection:
    """The connection for the locks of several tasks of a service in one process.

    Each connection takes 2 MB of the server. Those that lead by a shared one use it for single
    statements; whoever works on it all the time, as a relay does, leads by one of its own. A
    process that is stopped falls silent on it, and one that loses it loses all that it leads by it.
    """

    def __init__(self, settings: Settings, service: str) -> None:
        self._info = connection_info(
            settings.database_url_of(service), service, statement_timeout_ms=STATEMENT_TIMEOUT_MS
        )
        self._changing = Lock()
        self._connection: BoundedConnection[Any] | None = None
        self._users = 0

    @contextmanager
    def taken(self) -> Iterator[BoundedConnection[Any]]:
        """Lend the connection for a block; the last one to leave closes it."""
        connection = self._entered()
        try:
            yield connection
        finally:
            self._leave(connection)

    def _entered(self) -> BoundedConnection[Any]:
        with self._changing:
            if self._connection is None or self._connection.closed:
                self._connection, self._users = _connected(self._info), 0
            self._users += 1
            return self._connection

    def _leave(self, connection: BoundedConnection[Any]) -> None:
        with self._changing:
            if connection is not self._connection:
                return  # it was lost, and others have a new one
            self._users -= 1
            if not self._users:
                connection.close()


def lead(
    settings: Settings,
    service: str,
    task: str,
    stop: StopSignal,
    work: Callable[[Lead], None],
    shared: LockConnection | None = None,
) -> None:
    """Wait for the lock ``<service>.<task>`` and work with the lead, by a shared connection if any.

    Whoever holds it and has fallen silent is evicted. Returns when the work does, or on stop;
    raises when the database is lost.
    """
    lock = f"{service}.{task}"
    telemetry.LEADERS_EVICTED.labels(lock)
    with (shared or LockConnection(settings, service)).taken() as held:
        if not _locked(held, lock, stop, lambda waiting: evict_silent(waiting, lock)):
            return
        try:
            with beating(held):
                work(take_lead(held, task))
        finally:
            if shared is not None:
                _unlock(held, lock)


def take_lead(held: psycopg.Connection[Any], task: str) -> Lead:
    """Begin a term on the connection that holds the lock: it ends that of whoever led before."""
    row = held.execute(_BEGIN, (task,)).fetchone()
    if row is None:
        raise LeadLostError(task)
    return Lead(held, task, row["term"], row["started_at"])


def lead_on(
    info: str,
    lock: str,
    stop: StopSignal,
    work: Callable[[BoundedConnection[Any]], None],
) -> None:
    """Work on a connection by this connection string once it holds this lock."""
    with _connected(info) as database:
        if _locked(database, lock, stop):
            work(database)


def _connected(info: str) -> BoundedConnection[Any]:
    connected: BoundedConnection[Any] = BoundedConnection.connect(
        info, autocommit=True, row_factory=dict_row
    )
    return connected


def _locked(
    database: BoundedConnection[Any],
    lock: str,
    stop: StopSignal,
    while_waiting: Callable[[psycopg.Connection[Any]], object] = lambda _: None,
) -> bool:
    """Wait until a connection holds a lock; return whether it does: not on stop."""
    while not stop.is_set():
        row = database.execute(_TRY_LOCK, (lock,)).fetchone()
        if row and row["mine"]:
            return True
        while_waiting(database)
        stop.wait(POLL_S)
    return False


def _unlock(held: BoundedConnection[Any], lock: str) -> None:
    """Give up a lock of a connection by which others lead; end the connection if that fails."""
    try:
        held.execute(_UNLOCK, (lock,))
    except psycopg.Error as error:
        log.info("lock_ends_with_its_connection", lock=lock, error=type(error).__name__)
        held.close()
