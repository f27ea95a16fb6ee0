"""The log as a persistence module of the `eventsourcing` library, for its projections.

An application of the library that is called as a service reads the log of that service:

    class Ledger(Application[UUID]):
        name = "ledger"
        env = {
            "LEDGER_PERSISTENCE_MODULE": "shared.eventstore.library",
            "LEDGER_EVENT_TYPES_TOPIC": "services.ledger.domain:EVENTS",
        }

It signs in as whoever reads at this terminal (``SALDO_DATABASE_URL``), or as the service. It only
reads: a service appends by its commands, with their ids and its read model.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NoReturn
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    Mapper,
    MapperDeserialisationError,
    NotSupportedError,
    StoredEvent,
    TrackingRecorder,
    Transcoder,
)
from eventsourcing.utils import TopicError, resolve_topic
from psycopg_pool import ConnectionPool

from shared.config import load_settings
from shared.database import Login, open_pool
from shared.eventstore.events import Event, EventTypes, UnknownTopicError
from shared.eventstore.recorder import LoggedEvent, PostgresRecorder

_CONNECTIONS = 2
_ADDED = ("originator_id", "originator_version", "timestamp")


class EventMapper(Mapper[UUID]):
    """Rebuilds the events of a service as the library expects them.

    Each is an instance of the service's own class, so that projections dispatch by it, with
    ``originator_id``, ``originator_version`` and ``timestamp``: the time of recording, None where
    the event was read by its aggregate.
    """

    def __init__(self, events: EventTypes, transcoder: Transcoder) -> None:
        super().__init__(transcoder)
        self._events = events
        self._classes: dict[type[Event], type[Any]] = {}

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        try:
            event = self._events.decode(stored_event.topic, stored_event.state)
        except UnknownTopicError as error:
            raise TopicError(str(error)) from error
        except msgspec.MsgspecError as error:
            raise MapperDeserialisationError(
                f"version {stored_event.originator_version} of {stored_event.originator_id} is "
                f"no {stored_event.topic}: {error}"
            ) from error
        recorded_at = stored_event.recorded_at if isinstance(stored_event, LoggedEvent) else None
        return self._class_of(type(event))(
            originator_id=UUID(str(stored_event.originator_id)),
            originator_version=stored_event.originator_version,
            timestamp=recorded_at,
            **msgspec.structs.asdict(event),
        )

    def to_stored_event(self, domain_event: Any) -> NoReturn:
        raise _refused()

    def _class_of(self, cls: type[Event]) -> type[Any]:
        made = self._classes.get(cls)
        if made is None:
            made = msgspec.defstruct(
                cls.__name__,
                [(name, Any) for name in _ADDED],
                bases=(cls,),
                module=cls.__module__,
                frozen=True,
                kw_only=True,
                gc=False,
            )
            self._classes[cls] = made
        return made


class LogFactory(InfrastructureFactory[TrackingRecorder]):
    """Constructs what an application of the library needs to read the log of a service."""

    EVENT_TYPES_TOPIC = "EVENT_TYPES_TOPIC"

    def mapper(self, transcoder: Transcoder | None = None, mapper_class: Any = None) -> Any:
        topic = self.env.get(self.EVENT_TYPES_TOPIC)
        if not topic:
            return super().mapper(transcoder, mapper_class)
        return (mapper_class or EventMapper)(
            resolve_topic(topic), transcoder=transcoder or self.transcoder()
        )

    def application_recorder(self) -> ApplicationRecorder:
        return PostgresRecorder(self._pool, self._service)

    def aggregate_recorder(self, purpose: str = "events") -> NoReturn:
        raise _refused()

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> NoReturn:
        raise _refused()

    def process_recorder(self) -> NoReturn:
        raise _refused()

    def close(self) -> None:
        if "_pool" in vars(self):
            self._pool.close()

    @property
    def _service(self) -> str:
        return self.env.name.lower()

    @cached_property
    def _pool(self) -> ConnectionPool[Any]:
        settings = load_settings(self.env)
        url = settings.staff_database_url or settings.database_url_of(self._service)
        return open_pool(Login(url, read_only=True), self._service, size=_CONNECTIONS)


def _refused() -> NotSupportedError:
    return NotSupportedError(
        "the log is written by its service alone: keep what a projection makes, and how far it "
        "has come, in another database or schema (eventsourcing.postgres)"
    )
