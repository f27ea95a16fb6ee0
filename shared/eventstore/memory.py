"""The store for unit tests: behaves like the PostgreSQL one, in dictionaries.

The log is the in-memory recorder of the `eventsourcing` library, which detects version conflicts by
the same rule as in production.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from shared import context
from shared.clock import Clock
from shared.errors import ServiceError, Unavailable
from shared.eventstore.aggregate import Aggregate
from shared.eventstore.asked import Asked, is_kept, kept_refusal
from shared.eventstore.events import Event, EventTypes, Recorded
from shared.eventstore.security_log import MemorySecurityLog, SecurityEntry, SecurityLog
from shared.eventstore.session import (
    PendingEvent,
    ReadModel,
    Session,
    Vault,
    command_content,
    kept_result,
)
from shared.ids import new_id
from shared.privacy import MemoryVault

C = TypeVar("C")
R = TypeVar("R")


class MemoryStore:
    """A store whose read model is any object with the methods that the use cases call.

    After a refused command the read model and the vault are restored from a copy.
    """

    def __init__(self, events: EventTypes, read_model: Any, clock: Clock) -> None:
        self.events = events
        self.read_model = read_model
        self.clock = clock
        self.recorder = POPOApplicationRecorder()
        self.vault = MemoryVault()
        self.log: list[Recorded] = []
        self.security_log: list[SecurityEntry] = []
        self._commands: dict[UUID, tuple[bytes, bytes]] = {}
        self._refusals: dict[tuple[UUID, bytes], tuple[float, bytes]] = {}

    def execute(self, handler: Callable[[Any, C], R], command: C, *, final: bool = True) -> R:
        asked = Asked.of_request(command_content(handler, command))
        for _ in range(8):
            if asked.id in self._commands:
                return cast(R, kept_result(*self._commands[asked.id], asked.fingerprint))
            refused_at, refusal = self._refusals.get((asked.id, asked.fingerprint), (0.0, b""))
            if refusal and asked.at is not None and asked.at < refused_at:
                raise kept_refusal(refusal)
            try:
                result = self._run(lambda session: handler(session, command), asked.id)
            except IntegrityError:
                continue
            except ServiceError as error:
                if final:
                    return self.refuse(handler, command, error)
                raise
            self._commands[asked.id] = (asked.fingerprint, msgspec.json.encode(result))
            return cast(R, kept_result(*self._commands[asked.id], asked.fingerprint))
        raise Unavailable("contended", "Too many changes at the same time; send it again.")

    def refuse(self, handler: Callable[[Any, C], R], command: C, refusal: ServiceError) -> R:
        asked = Asked.of_request(command_content(handler, command))
        if asked.id in self._commands:
            return cast(R, kept_result(*self._commands[asked.id], asked.fingerprint))
        if is_kept(asked, refusal):
            key = asked.id, asked.fingerprint
            self._refusals[key] = (
                self.clock.now().timestamp(),
                msgspec.json.encode(refusal.as_wire()),
            )
        raise refusal

    def transact(self, handler: Callable[[Any, C], R], command: C) -> R:
        return self._run(lambda session: handler(session, command), new_id())

    def query(self, handler: Callable[[Any], R]) -> R:
        return self._run(handler, None)

    def look(self, handler: Callable[[Any], R]) -> R:
        return self._run(handler, None)

    def hash_key(self, purpose: str) -> bytes:
        return purpose.encode()

    def _run(self, work: Callable[[Session], R], command_id: UUID | None) -> R:
        before = copy.deepcopy((vars(self.read_model), vars(self.vault)))
        noted = list(self.security_log)
        session = _MemorySession(self, command_id)
        try:
            result = work(session)
            session.flush()
            session.commit()
        except BaseException:
            # In place, because the test refers to the same objects.
            for holder, state in zip((self.read_model, self.vault), before, strict=True):
                vars(holder).clear()
                vars(holder).update(state)
            self.security_log[:] = noted
            raise
        return result


class _MemorySession(Session):
    def __init__(self, store: MemoryStore, command_id: UUID | None) -> None:
        super().__init__(store.clock)
        self._store = store
        self._command_id = command_id
        self._staged: list[tuple[StoredEvent, Recorded]] = []

    @property
    def vault(self) -> Vault:
        return self._store.vault

    @property
    def security(self) -> SecurityLog:
        return MemorySecurityLog(self._store.security_log, self.now)

    def history(self, id: UUID) -> Sequence[Recorded]:
        self.flush()
        log = [*self._store.log, *(recorded for _, recorded in self._staged)]
        return [recorded for recorded in log if recorded.originator_id == id]

    def histories(self, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Recorded]]:
        histories = {id_: self.history(id_) for id_ in ids}
        return {id_: history for id_, history in histories.items() if history}

    def _stream(self, id: UUID) -> Iterable[Event]:
        for stored in self._store.recorder.select_events(id):
            yield self._store.events.decode(stored.topic, stored.state)

    def _append(self, pending: Sequence[PendingEvent]) -> Sequence[Recorded]:
        if self._command_id is None:
            raise RuntimeError("a query must not append events")
        staged = [self._stage(*entry) for entry in pending]
        return [recorded for _, recorded in staged]

    def commit(self) -> None:
        """Move the staged events to the log, where others see them; raises on a conflict."""
        self._store.recorder.insert_events([stored for stored, _ in self._staged])
        self._store.log.extend(recorded for _, recorded in self._staged)

    def _stage(
        self, aggregate: Aggregate, version: int, event: Event
    ) -> tuple[StoredEvent, Recorded]:
        request, state = context.current(), self._store.events.encode(event)
        entry = (
            StoredEvent(aggregate.id, version, event.topic, state),
            Recorded(
                originator_id=aggregate.id,
                originator_version=version,
                position=len(self._store.log) + len(self._staged) + 1,
                recorded_at=self.now,
                command_id=self._command_id or new_id(),
                actor=request.actor,
                correlation_id=request.correlation_id,
                event=self._store.events.decode(event.topic, state),
            ),
        )
        self._staged.append(entry)
        return entry

    def _read_model(self) -> ReadModel:
        return self._store.read_model  # type: ignore[no-any-return]
