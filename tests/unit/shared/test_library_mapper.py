"""Events of a service as the projections of the `eventsourcing` library get them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

import msgspec
import pytest
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import (
    InfrastructureFactory,
    JSONTranscoder,
    MapperDeserialisationError,
    NotSupportedError,
    StoredEvent,
)
from eventsourcing.utils import Environment, TopicError

from services.ledger.domain import EVENTS
from services.ledger.domain.events import AccountOpened, PenaltyWrittenOff
from shared.config import SERVICES
from shared.eventstore import Event
from shared.eventstore.library import EventMapper, LogFactory
from shared.eventstore.recorder import LoggedEvent

STREAM = UUID(int=7)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
OPENED = AccountOpened(account="0100000001", payer_kind="household", effective_on=date(2026, 11, 1))
MAPPER = EventMapper(EVENTS, JSONTranscoder())


def stored(topic: str = OPENED.topic, state: bytes | None = None) -> StoredEvent:
    return StoredEvent(STREAM, 3, topic, EVENTS.encode(OPENED) if state is None else state)


class Report:
    @singledispatchmethod
    def policy(self, event: Any) -> str:
        return "other"

    @policy.register
    def written_off(self, event: PenaltyWrittenOff) -> str:
        return "written off"

    @policy.register
    def opened(self, event: AccountOpened) -> str:
        return "opened"


def test_event_is_one_of_the_service_with_the_attributes_of_the_library() -> None:
    logged = LoggedEvent(
        **vars(stored()), id=9, recorded_at=NOW, command_id=STREAM, actor="", correlation_id=""
    )
    event = MAPPER.to_domain_event(logged)
    assert isinstance(event, AccountOpened)
    assert (event.account, event.effective_on) == (OPENED.account, OPENED.effective_on)
    assert (event.originator_id, event.originator_version) == (STREAM, 3)  # type: ignore[attr-defined]
    assert event.timestamp == NOW  # type: ignore[attr-defined]
    assert Report().policy(event) == "opened"


def test_event_read_by_its_aggregate_has_no_time() -> None:
    assert MAPPER.to_domain_event(stored()).timestamp is None


def test_field_that_the_event_does_not_know_is_left_out() -> None:
    newer = EVENTS.encode(OPENED)[:-1] + b',"moved":[]}'
    assert MAPPER.to_domain_event(stored(state=newer)).account == OPENED.account


def test_unknown_topic_and_unreadable_state_raise_the_errors_of_the_library() -> None:
    with pytest.raises(TopicError, match=r"ledger\.month_closed\.v9"):
        MAPPER.to_domain_event(stored("ledger.month_closed.v9"))
    for state in (b"{", b"{}"):
        with pytest.raises(MapperDeserialisationError, match=f"version 3 of {STREAM}"):
            MAPPER.to_domain_event(stored(state=state))


def test_library_appends_nothing() -> None:
    factory = InfrastructureFactory.construct(
        Environment("ledger", {"LEDGER_PERSISTENCE_MODULE": "shared.eventstore.library"})
    )
    assert isinstance(factory, LogFactory)
    for refused in (
        factory.aggregate_recorder,
        factory.tracking_recorder,
        factory.process_recorder,
        lambda: MAPPER.to_stored_event(OPENED),
    ):
        with pytest.raises(NotSupportedError, match="written by its service alone"):
            refused()
    factory.close()


def test_no_event_has_a_field_with_a_name_of_the_library() -> None:
    for service in SERVICES:
        import_module(f"services.{service}.domain")
    events = Event.__subclasses__()
    assert len(events) > len(SERVICES)
    for cls in events:
        names = {field.name for field in msgspec.structs.fields(cls)}
        assert not names & {"originator_id", "originator_version", "timestamp"}, cls
