"""The unit of work in PostgreSQL, which `shared.eventstore.postgres` opens in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

from psycopg.pq import PipelineStatus

from shared.clock import Clock
from shared.cooperation import cooperatively
from shared.eventstore.data_keys import DataKeys, PostgresVault
from shared.eventstore.events import Event, EventTypes, Recorded
from shared.eventstore.recorder import Cause, EventRow, HistoryRow, PostgresRecorder
from shared.eventstore.security_log import PostgresSecurityLog, SecurityLog
from shared.eventstore.session import PendingEvent, ReadModel, Session, Vault

MIN_COPIED = 500
"""The number of events from which a unit of work appends them by COPY."""


class OpeningStore(Protocol):
    """What a unit of work asks of the store that has opened it."""

    clock: Clock
    events: EventTypes
    recorder: PostgresRecorder
    data_keys: DataKeys

    @property
    def new_read_model(self) -> Callable[[Any], ReadModel]:
        """Return what makes the read model of a cursor."""
        ...

    def rows(self, pending: Sequence[PendingEvent]) -> list[EventRow]:
        """Return pending events as rows for the recorder."""
        ...

    def recorded_events(
        self,
        pending: Sequence[PendingEvent],
        causes: Sequence[Cause],
        positions: Sequence[int],
        recorded_at: datetime,
    ) -> list[Recorded]:
        """Return pending events with their positions, for the read model."""
        ...


class PostgresSession(Session):
    """A unit of work in one open transaction."""

    def __init__(self, store: OpeningStore, cursor: Any, cause: Cause | None) -> None:
        super().__init__(store.clock)
        self.cursor = cursor
        self.appended: list[int] = []
        self._store = store
        self._cause = cause
        self._causes: list[Cause | None] = []
        """The causes of the first pending events: those of earlier messages of a batch."""
        self._tables = store.new_read_model(cursor)
        self._together: ExitStack | None = None

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

    def flush(self) -> Sequence[Recorded]:
        # Events and the rows of the read model go together: none waits for an answer.
        with ExitStack() as together:
            self._together = together if getattr(self._tables, "writes_only", False) else None
            return super().flush()

    def flush_with_next(self, together: ExitStack) -> None:
        """Append and project the pending events, if any; what is written next goes with them.

        The pipeline is entered in ``together``: nothing may be asked any more.
        """
        if self._journal and getattr(self._tables, "writes_only", False):
            self._together = together
            super().flush()
        else:
            self.flush()

    def flush_last(self, together: ExitStack) -> None:
        """Append and project the pending events, and leave a pipeline for what follows them.

        It is entered in ``together``: nothing may be asked any more.
        """
        self.flush_with_next(together)
        connection = self.cursor.connection
        if connection.pgconn.pipeline_status == PipelineStatus.OFF:
            together.enter_context(connection.pipeline())

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
        for topic, state in self._store.recorder.stream(self.cursor, id):
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
            positions, recorded_at = store.recorder.append(
                self.cursor, rows, causes, self._together
            )
        self.appended += positions
        return store.recorded_events(pending, causes, positions, recorded_at)

    def _note_causes(self) -> None:
        self._causes += [self._cause] * (len(self._journal) - len(self._causes))

    def _read_model(self) -> ReadModel:
        return self._tables


def _required(cause: Cause | None) -> Cause:
    if cause is None:
        raise RuntimeError("a query must not append events")
    return cause
