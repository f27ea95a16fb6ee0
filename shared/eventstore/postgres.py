"""The store in PostgreSQL: one transaction holds the events, the read model and the command id."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import context, telemetry, tracing
from shared.clock import Clock, wall_time
from shared.config import Settings
from shared.database import (
    STATEMENT_TIMEOUT_MS,
    BoundedConnection,
    Login,
    autocommit_cursor,
    in_transaction,
    open_pool,
    read_time_by,
    snapshot_cursor,
    unchecked_cursor,
)
from shared.database_clock import DatabaseClock
from shared.database_errors import Failure, failure_of, outages_refused, unavailable
from shared.errors import ServiceError, Unavailable
from shared.eventstore import command_table, refusals
from shared.eventstore.asked import Asked, is_kept
from shared.eventstore.batch_decision import PendingCommand, arms_of
from shared.eventstore.data_keys import DataKeys
from shared.eventstore.events import EventTypes, Recorded
from shared.eventstore.group_append import Arm
from shared.eventstore.hash_keys import HashKeys
from shared.eventstore.postgres_session import PostgresSession
from shared.eventstore.recorder import Cause, EventRow, LoggedEvent, PostgresRecorder
from shared.eventstore.session import PendingEvent, ReadModel, command_content
from shared.ids import new_id
from shared.logs import get_logger

C = TypeVar("C")
R = TypeVar("R")

log = get_logger(__name__)

MOST_AHEAD = timedelta(hours=12)
"""By how much a process's clock may be ahead of the database's: half a day makes it another day."""
ATTEMPTS = 5
"""How often a command is decided when others change the same streams concurrently. From the second
attempt on it holds the append lock while it decides, so that it cannot lose again."""
MOST_OUTAGES = 2
"""How often a command meets an outage before its caller is told: once it may be a connection that
was broken before, or a commit without its reply, whose outcome the second attempt finds."""


class PostgresStore:
    """The store of one service, on a pool of connections of its runtime role or another login."""

    def __init__(
        self,
        settings: Settings,
        service: str,
        events: EventTypes,
        read_model: Callable[[Any], ReadModel],
        *,
        clock: Clock | None = None,
        login: Login | None = None,
        keys_login: Login | None = None,
        pool_size: int = 8,
        kept: int = 1,
        statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    ) -> None:
        self.service = service
        self.events = events
        own = DatabaseClock(settings.timezone, lambda: read_time_by(self.pool))
        self.clock: Clock = clock or own
        self.new_read_model = read_model
        self.pool: ConnectionPool[Any] = open_pool(
            login or settings.database_url_of(service),
            service,
            size=pool_size,
            kept=kept,
            statement_timeout_ms=statement_timeout_ms,
            clock=own,
        )
        self.data_keys = DataKeys(settings, service, keys_login, pool_size)
        self.recorder = PostgresRecorder(self.pool, service)
        self._hash_keys = HashKeys(settings, service)
        telemetry.of_event_log(service)

    def close(self) -> None:
        """Close the pool; the store cannot be used afterwards."""
        self.pool.close()
        self.data_keys.close()

    def execute(self, handler: Callable[[Any, C], R], command: C, *, final: bool = True) -> R:
        """Execute a command exactly once; see Store.execute."""
        asked = Asked.of_request(self.fingerprint(handler, command))
        with tracing.command(self.service, handler.__name__, asked.id):
            return self._execute(handler, command, asked, final=final)

    def _execute(
        self, handler: Callable[[Any, C], R], command: C, asked: Asked, *, final: bool
    ) -> R:
        from_log = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.command_transaction(asked, under_lock=attempt > 1) as found:
                    cursor, together, kept = found
                    if kept is None:
                        result, appended = self._attempt(
                            cursor, handler, command, asked, from_log, together
                        )
            except ServiceError as refusal:
                return cast(R, self._refused(asked, refusal, final=final))
            except psycopg.errors.ForeignKeyViolation:
                # A row of the read model is ahead of its stream: the log decides.
                if from_log:
                    raise
                from_log = True
                log.warning("row_ahead_of_its_stream", command=handler.__qualname__)
            except psycopg.Error as error:
                # Whether a commit happened may be unknown. The next attempt looks the command id up
                # first, and its primary key prevents a second effect.
                self._check_again(error, handler, attempt, most=MOST_OUTAGES)
            else:
                if kept is not None:
                    return cast(R, command_table.result_of(kept, asked.fingerprint))
                telemetry.events_committed(self.service, appended)
                return cast(R, result)
        raise Unavailable("contended", "Too many changes at the same time; send it again.")

    def refuse(self, handler: Callable[[Any, C], R], command: C, refusal: ServiceError) -> R:
        """Keep what a caller is refused with in the end, and raise it; see Store.refuse."""
        asked = Asked.of_request(self.fingerprint(handler, command))
        return cast(R, self._refused(asked, refusal, final=True))

    def _refused(self, asked: Asked, refusal: ServiceError, *, final: bool) -> Any:
        """Raise a refusal, or return the result of the same command, sent twice at once, that was
        executed between look-up and decision."""
        with outages_refused():
            if final and is_kept(asked, refusal):
                refusals.keep(self.transaction, asked, refusal)
            with self.transaction() as cursor:
                kept = command_table.find(cursor, Asked(asked.id, asked.fingerprint))
        if kept is None:
            raise refusal
        return command_table.result_of(kept, asked.fingerprint)

    def _check_again(
        self, error: psycopg.Error, handler: Callable[..., Any], attempt: int, *, most: int
    ) -> None:
        """Return if a command is worth another attempt; else raise what its caller is told.

        ``most`` is the number of attempts at which an outage is final.
        """
        name, kind = handler.__qualname__, type(error).__name__
        match failure_of(error):
            case Failure.DEFECT:
                raise error
            case Failure.CONTENDED if not isinstance(error, psycopg.errors.LockNotAvailable):
                # Somebody took the version or a unique value, or did the same command: decide anew.
                telemetry.LOG_CONFLICTS.labels(self.service).inc()
                log.info("command_conflict", command=name, attempt=attempt)
                return
        log.warning("command_outcome_unknown", command=name, attempt=attempt, error=kind)
        # Who has waited for a connection has waited as long as his caller does.
        if attempt >= most or isinstance(error, (PoolTimeout, psycopg.errors.DiskFull)):
            raise unavailable(error) from error

    def transact(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Run a command in one transaction without keeping its result."""
        cause = self._cause()
        with tracing.command(self.service, handler.__name__, cause.command_id):
            return self._transact(handler, command, cause)

    def _transact(self, handler: Callable[[Any, C], R], command: C, cause: Cause) -> R:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.session(cause) as session:
                    if attempt > 1:
                        self.recorder.lock(session.cursor)
                    return handler(session, command)
            except psycopg.Error as error:
                self._check_again(error, handler, attempt, most=1)
        raise Unavailable("contended", "Too many changes at the same time; send it again.")

    def query(self, handler: Callable[[Any], R]) -> R:
        """Run a function that only reads, in one transaction."""
        try:
            with snapshot_cursor(self.pool) as cursor:
                return handler(PostgresSession(self, cursor, None))
        except psycopg.errors.ReadOnlySqlTransaction:
            raise  # here it is the handler that writes, on whichever server
        except psycopg.Error as error:
            if failure_of(error) is Failure.DEFECT:
                raise
            raise unavailable(error) from error

    def look(self, handler: Callable[[Any], R]) -> R:
        """Run a function that reads, without a transaction around it; see Store.look."""
        for _ in range(self.pool.max_size):
            try:
                with unchecked_cursor(self.pool) as cursor:
                    try:
                        return handler(PostgresSession(self, cursor, None))
                    except psycopg.OperationalError:
                        if not cursor.connection.closed:
                            raise
                        # It has died in the pool, or now: the pool replaces it, and has others.
            except psycopg.Error as error:
                if failure_of(error) is Failure.DEFECT:
                    raise
                raise unavailable(error) from error
        return self.query(handler)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Open a connection for a long read; yield a cursor whose statements have a snapshot each.

        One transaction as long would hold back vacuum. For tables that are only added to.
        """
        with autocommit_cursor(self.pool) as cursor:
            yield cursor

    @contextmanager
    def appends(self) -> Iterator[Callable[[float], None]]:
        """Yield what waits so many seconds at most for the next append to the log.

        It has a connection of its own, by which one append, or many, may be missed: look at first.
        """
        info, channel = str(self.pool.conninfo), self.recorder.channel
        with BoundedConnection.connect(info, autocommit=True) as connection:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

            def wait(seconds: float) -> None:
                deque(connection.notifies(timeout=seconds, stop_after=1), maxlen=0)

            yield wait

    @contextmanager
    def session(self, cause: Cause | None = None) -> Iterator[PostgresSession]:
        """Open a unit of work that commits at the end of the block, or rolls back."""
        together = ExitStack()
        with (
            in_transaction(self.pool, together=together) as connection,
            connection.cursor() as cursor,
        ):
            session = PostgresSession(self, cursor, cause or self._cause())
            yield session
            session.flush_with_next(together)
        telemetry.events_committed(self.service, session.events_appended)

    def _cause(self) -> Cause:
        """Return the cause of what the request of this context appends."""
        request = context.current()
        return Cause(request.command_id or new_id(), request.actor, request.correlation_id)

    def log_after(self, position: int, limit: int) -> list[LoggedEvent]:
        """Return up to ``limit`` events of the log after a position."""
        with self.transaction() as cursor:
            return self.recorder.after(cursor, position, limit)

    def recorded(self, row: LoggedEvent) -> Recorded:
        """Decode a row of the log."""
        return Recorded(
            originator_id=UUID(str(row.originator_id)),
            originator_version=row.originator_version,
            position=row.id,
            recorded_at=row.recorded_at,
            command_id=row.command_id,
            actor=row.actor,
            correlation_id=row.correlation_id,
            event=self.events.decode(row.topic, row.state),
        )

    def _attempt(
        self,
        cursor: Any,
        handler: Callable[[Any, C], R],
        command: C,
        asked: Asked,
        from_log: bool,
        together: ExitStack,
    ) -> tuple[Any, int]:
        """Return the result, and how many events were appended for it."""
        request = context.current()
        cause = Cause(asked.id, request.actor, request.correlation_id)
        session = PostgresSession(self, cursor, cause)
        session.from_log = from_log
        result = msgspec.json.encode(handler(session, command))
        session.flush_last(together)
        first, last = min(session.appended, default=None), max(session.appended, default=None)
        command_table.keep(cursor, (asked.id, asked.fingerprint, result, first, last))
        refusals.check(cursor, asked)
        return msgspec.json.decode(result), session.events_appended

    def rows(self, pending: Sequence[PendingEvent]) -> list[EventRow]:
        """Return pending events as rows for the recorder."""
        encode = self.events.encode
        return [
            (aggregate.id, version, event.topic, encode(event))
            for aggregate, version, event in pending
        ]

    def append_group(
        self, connection: Any, decided: Sequence[PendingCommand], arms: Sequence[Arm]
    ) -> bool:
        """Append what commands have decided, with rows of the read model, in one transaction.

        The connection is in autocommit mode. Returns False where the end of the log, or the clock
        of this process, is not as it should be: then nothing is written. Raises UniqueViolation.
        """
        own = arms_of(decided, self.events.encode)
        not_before = wall_time() - MOST_AHEAD
        written = self.recorder.group_append.write(connection, (*own, *arms), not_before)
        if written:
            telemetry.events_committed(self.service, sum([len(one.events) for one in decided]))
        return written

    def recorded_events(
        self,
        pending: Sequence[PendingEvent],
        causes: Sequence[Cause],
        positions: Sequence[int],
        recorded_at: datetime,
    ) -> list[Recorded]:
        """Return pending events with their positions, for the read model.

        Raises Unavailable where this process's clock is days ahead of the database's: what it
        decides of days and dates is of none that anybody else has.
        """
        if wall_time() - recorded_at > MOST_AHEAD:
            log.error("clock_ahead", service=self.service)
            raise Unavailable(
                "database_unavailable",
                "The clock of this process is ahead of the database's by more than half a day: it "
                "records nothing until its clock is right.",
            )
        return [
            Recorded(
                originator_id=aggregate.id,
                originator_version=version,
                position=position,
                recorded_at=recorded_at,
                command_id=cause.command_id,
                actor=cause.actor,
                correlation_id=cause.correlation_id,
                event=event,
            )
            for (aggregate, version, event), cause, position in zip(
                pending, causes, positions, strict=True
            )
        ]

    def fingerprint(self, handler: Callable[..., Any], command: Any) -> bytes:
        """Return a digest that detects another command under the same id."""
        # Keyed, because a command may hold a password.
        content = command_content(handler, command)
        return hmac.new(self.hash_key("commands"), content, hashlib.sha256).digest()

    def hash_key(self, purpose: str) -> bytes:
        """Return the key of keyed hashes for one purpose; see shared.eventstore.hash_keys."""
        if (known := self._hash_keys.known(purpose)) is not None:
            return known
        with outages_refused(), self.transaction() as cursor:
            return self._hash_keys.fetch(cursor, purpose)

    def kept_commands(self, cursor: Any, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, bytes]]:
        """Return (fingerprint, result) by id, for the commands that were executed."""
        return command_table.find_many(cursor, ids)

    def keep_commands(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        """Store (id, fingerprint, result, first position, last position) of many commands."""
        command_table.keep_many(cursor, rows)

    def command_transaction(
        self, asked: Asked, *, under_lock: bool
    ) -> AbstractContextManager[tuple[Any, ExitStack, dict[str, Any] | None]]:
        """Open a transaction of a command; see command_table.command_transaction."""
        return command_table.command_transaction(
            self.pool, self.recorder, asked, under_lock=under_lock
        )

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Open a transaction and yield its cursor."""
        with in_transaction(self.pool) as connection, connection.cursor() as cursor:
            yield cursor
