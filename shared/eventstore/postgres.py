"""The store in PostgreSQL: one transaction holds the events, the read model and the command id."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import context, telemetry, tracing
from shared.clock import Clock, SystemClock
from shared.config import Settings
from shared.cooperation import cooperatively
from shared.database import STATEMENT_TIMEOUT_MS, Login, open_pool
from shared.errors import ServiceError, Unavailable
from shared.eventstore import command_table
from shared.eventstore.data_keys import DataKeys, PostgresVault
from shared.eventstore.events import Event, EventTypes, Recorded
from shared.eventstore.hash_keys import HashKeys
from shared.eventstore.recorder import (
    Cause,
    EventRow,
    HistoryRow,
    LoggedEvent,
    PostgresRecorder,
)
from shared.eventstore.security_log import PostgresSecurityLog, SecurityLog
from shared.eventstore.session import PendingEvent, ReadModel, Session, Vault
from shared.ids import new_id
from shared.logs import get_logger

C = TypeVar("C")
R = TypeVar("R")

log = get_logger(__name__)

ATTEMPTS = 5
"""How often a command is decided when others change the same streams concurrently. From the second
attempt on it holds the append lock while it decides, so that it cannot lose again."""


MIN_COPIED = 500
"""The number of events from which a unit of work appends them by COPY."""


class PostgresSession(Session):
    """A unit of work in one open transaction."""

    def __init__(self, store: PostgresStore, cursor: Any, cause: Cause | None) -> None:
        super().__init__(store.clock)
        self.cursor = cursor
        self.appended: list[int] = []
        self._store = store
        self._cause = cause
        self._causes: list[Cause | None] = []
        """The causes of the first pending events: those of earlier messages of a batch."""
        self._tables = store.new_read_model(cursor)

    @cached_property
    def vault(self) -> Vault:
        return PostgresVault(self.cursor, self._store.data_keys)

    @property
    def security(self) -> SecurityLog:
        return PostgresSecurityLog(self.cursor, self.now)

    @property
    def events_appended(self) -> int:
        """How many events this unit of work has appended: they stand in one piece in the log."""
        return max(self.appended) - min(self.appended) + 1 if self.appended else 0

    @contextmanager
    def caused_by(self, cause: Cause) -> Iterator[None]:
        """Let a block's events have another cause (one message of a batch).

        They are appended with those of the other messages, by one statement.
        """
        self._note_causes()
        before, self._cause = self._cause, cause
        try:
            yield
            self._note_causes()
        finally:
            self._cause = before

    @property
    def peek(self) -> Any:
        """The service's read model, with what earlier messages of the batch have changed."""
        if self._causes:
            self.flush()
        return super().peek

    def copy_states(self, rows: Iterable[EventRow]) -> tuple[int, int]:
        """Append encoded events in bulk; the caller writes the read model.

        Returns the first and the last position (last < first when there were no rows).
        """
        self.flush()
        first, last = self._store.recorder.copy(self.cursor, rows, _required(self._cause))
        self.appended += [first, last] if last >= first else []
        return first, last

    def history(self, id: UUID) -> Sequence[Recorded]:
        self.flush()
        rows = self._store.recorder.history(self.cursor, id)
        return [self._recorded(row) for row in cooperatively(rows)]

    def histories(self, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        self.flush()
        histories: dict[UUID, list[Recorded]] = {}
        for row in cooperatively(self._store.recorder.histories(self.cursor, ids)):
            recorded = self._recorded(row)
            histories.setdefault(recorded.originator_id, []).append(recorded)
        return histories

    def _recorded(self, row: HistoryRow) -> Recorded:
        id_, version, topic, state, position, recorded_at, command_id, actor, correlation_id = row
        return Recorded(
            originator_id=id_,
            originator_version=version,
            position=position,
            recorded_at=recorded_at,
            command_id=command_id,
            actor=actor,
            correlation_id=correlation_id,
            event=self._store.events.decode(topic, state),
        )

    def _stream(self, id: UUID) -> Iterable[Event]:
        decode = self._store.events.decode
        for _, _, topic, state, *_ in self._store.recorder.history(self.cursor, id):
            yield decode(topic, state)

    def _append(self, pending: Sequence[PendingEvent]) -> Sequence[Recorded]:
        noted, self._causes = self._causes, []
        rest = len(pending) - len(noted)
        causes = [*map(_required, noted), *[_required(self._cause)] * rest]
        store, rows = self._store, self._store.rows(pending)
        if len(rows) >= MIN_COPIED and not noted:
            tail = store.recorder.lock_tail(self.cursor)
            last = store.recorder.copy_after(self.cursor, tail, rows, causes[0])
            positions, recorded_at = list(range(tail.position + 1, last + 1)), tail.recorded_at
        else:
            positions, recorded_at = store.recorder.append(self.cursor, rows, causes)
        self.appended += positions
        return store.recorded_events(pending, causes, positions, recorded_at)

    def _note_causes(self) -> None:
        self._causes += [self._cause] * (len(self._journal) - len(self._causes))

    def _read_model(self) -> ReadModel:
        return self._tables


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
        statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    ) -> None:
        self.service = service
        self.events = events
        self.clock: Clock = clock or SystemClock(settings.timezone)
        self.new_read_model = read_model
        self.pool: ConnectionPool[Any] = open_pool(
            login or settings.database_url_of(service),
            service,
            size=pool_size,
            statement_timeout_ms=statement_timeout_ms,
        )
        self.data_keys = DataKeys(settings, service, keys_login, pool_size)
        self.recorder = PostgresRecorder(self.pool, service)
        self._hash_keys = HashKeys(settings, service)
        telemetry.of_event_log(service)

    def close(self) -> None:
        """Close the pool; the store cannot be used afterwards."""
        self.pool.close()
        self.data_keys.close()

    def execute(self, handler: Callable[[Any, C], R], command: C) -> R:
        """Execute a command exactly once; see Store.execute."""
        command_id = context.current().command_id or new_id()
        with tracing.command(self.service, handler.__name__, command_id):
            return self._execute(handler, command, command_id)

    def _execute(self, handler: Callable[[Any, C], R], command: C, command_id: UUID) -> R:
        fingerprint, from_log = self.fingerprint(handler, command), False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.transaction() as cursor:
                    if attempt > 1:
                        self.recorder.lock(cursor)
                    result, appended = self._attempt(
                        cursor, handler, command, command_id, fingerprint, from_log
                    )
                telemetry.events_committed(self.service, appended)
                return cast(R, result)
            except ServiceError:
                # It may be refused because the same command, sent twice at once, was executed
                # between look-up and decision: then its result is kept.
                with self.transaction() as cursor:
                    kept = command_table.find(cursor, command_id)
                if kept is None:
                    raise
                return cast(R, command_table.result_of(kept, fingerprint))
            except psycopg.errors.UniqueViolation:
                # Somebody took the version or a unique value, or executed the same command: decide
                # again on fresh state.
                telemetry.LOG_CONFLICTS.labels(self.service).inc()
                log.info("command_conflict", command=handler.__qualname__, attempt=attempt)
            except psycopg.errors.ForeignKeyViolation:
                # A row of the read model is ahead of its stream: the log decides.
                if from_log:
                    raise
                from_log = True
                log.warning("row_ahead_of_its_stream", command=handler.__qualname__)
            except PoolTimeout as error:
                raise _unavailable() from error
            except psycopg.OperationalError as error:
                # Whether the commit happened is unknown. The next attempt looks the command id up
                # first, and its primary key prevents a second effect.
                log.warning(
                    "command_outcome_unknown",
                    command=handler.__qualname__,
                    attempt=attempt,
                    error=type(error).__name__,
                )
                if attempt >= 2:
                    raise _unavailable() from error
        raise Unavailable("contended", "Too many changes at the same time; send it again.")

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
            except psycopg.errors.UniqueViolation:
                telemetry.LOG_CONFLICTS.labels(self.service).inc()
                log.info("command_conflict", command=handler.__qualname__, attempt=attempt)
            except psycopg.OperationalError as error:
                raise _unavailable() from error
        raise Unavailable("contended", "Too many changes at the same time; send it again.")

    def query(self, handler: Callable[[Any], R]) -> R:
        """Run a function that only reads, in one transaction."""
        try:
            with self.transaction() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return handler(PostgresSession(self, cursor, None))
        except psycopg.OperationalError as error:
            raise _unavailable() from error

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Open a connection for a long read; yield a cursor whose statements have a snapshot each.

        One transaction as long would hold back vacuum. For tables that are only added to.
        """
        with self.pool.connection() as connection, connection.cursor() as cursor:
            connection.autocommit = True
            try:
                yield cursor
            finally:
                connection.autocommit = False

    @contextmanager
    def session(self, cause: Cause | None = None) -> Iterator[PostgresSession]:
        """Open a unit of work that commits at the end of the block, or rolls back."""
        with self.transaction() as cursor:
            session = PostgresSession(self, cursor, cause or self._cause())
            yield session
            session.flush()
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
        command_id: UUID,
        fingerprint: bytes,
        from_log: bool,
    ) -> tuple[Any, int]:
        """Return the result, and how many events were appended for it."""
        request = context.current()
        kept = command_table.find(cursor, command_id)
        if kept is not None:
            return command_table.result_of(kept, fingerprint), 0
        cause = Cause(command_id, request.actor, request.correlation_id)
        session = PostgresSession(self, cursor, cause)
        session.from_log = from_log
        result = msgspec.json.encode(handler(session, command))
        session.flush()
        first, last = (
            (min(session.appended), max(session.appended)) if session.appended else (None, None)
        )
        command_table.keep(cursor, (command_id, fingerprint, result, first, last))
        return msgspec.json.decode(result), session.events_appended

    def rows(self, pending: Sequence[PendingEvent]) -> list[EventRow]:
        """Return pending events as rows for the recorder."""
        encode = self.events.encode
        return [
            (aggregate.id, version, event.topic, encode(event))
            for aggregate, version, event in pending
        ]

    def recorded_events(
        self,
        pending: Sequence[PendingEvent],
        causes: Sequence[Cause],
        positions: Sequence[int],
        recorded_at: datetime,
    ) -> list[Recorded]:
        """Return pending events with their positions, for the read model."""
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
        content = handler.__qualname__.encode() + b" " + msgspec.json.encode(command)
        return hmac.new(self.hash_key("commands"), content, hashlib.sha256).digest()

    def hash_key(self, purpose: str) -> bytes:
        """Return the key of keyed hashes for one purpose; see shared.eventstore.hash_keys."""
        if (known := self._hash_keys.known(purpose)) is not None:
            return known
        try:
            with self.transaction() as cursor:
                return self._hash_keys.fetch(cursor, purpose)
        except psycopg.OperationalError as error:
            raise _unavailable() from error

    def kept_commands(self, cursor: Any, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, bytes]]:
        """Return (fingerprint, result) by id, for the commands that were executed."""
        return command_table.find_many(cursor, ids)

    def keep_commands(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        """Store (id, fingerprint, result, first position, last position) of many commands."""
        command_table.keep_many(cursor, rows)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Open a transaction and yield its cursor."""
        with (
            self.pool.connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            yield cursor


def _required(cause: Cause | None) -> Cause:
    if cause is None:
        raise RuntimeError("a query must not append events")
    return cause


def _unavailable() -> Unavailable:
    return Unavailable(
        "database_unavailable",
        "The database did not respond, so the outcome is unknown; send the same command again.",
    )
