"""Events, topics, upcasts, and the guarantees of the in-memory store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec
import pytest

from shared import context
from shared.errors import Conflict, Forbidden, Unavailable
from shared.eventstore import Aggregate, Event, EventTypes, MemoryStore, Session
from shared.eventstore.events import UnknownTopicError
from tests.fixed_clock import FixedClock


class Renamed(Event, frozen=True):
    """The current shape: two names; the first version had one."""

    topic: ClassVar[str] = "test.renamed.v3"

    first: str
    last: str


def _v1(state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "test.renamed.v2", {"full_name": state["name"]}


def _v2(state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    first, _, last = state["full_name"].partition(" ")
    return "test.renamed.v3", {"first": first, "last": last}


TYPES = EventTypes(Renamed, upcasts={"test.renamed.v1": _v1, "test.renamed.v2": _v2})


class Thing(Aggregate):
    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.names: list[str] = []

    def apply(self, event: Any) -> None:
        self.names.append(event.first)


class Names:
    """A read model that counts."""

    def __init__(self) -> None:
        self.count = 0

    def project(self, recorded: Any, aggregates: Any) -> None:
        self.count += len(recorded)


class Rename(msgspec.Struct, frozen=True):
    id: UUID
    name: str


def rename(session: Session, command: Rename) -> dict[str, Any]:
    thing = session.load(Thing, command.id)
    thing.trigger(Renamed(first=command.name, last=""))
    return {"version": thing.version}


def rename_and_refuse(session: Session, command: Rename) -> None:
    rename(session, command)
    assert session.read.count == 2
    raise Forbidden("no", "Refused after it was written.")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(TYPES, Names(), FixedClock(datetime(2026, 11, 1, tzinfo=UTC)))


def test_older_event_is_upcast_step_by_step() -> None:
    expected = Renamed(first="Мария", last="Иванова")
    assert TYPES.decode("test.renamed.v1", '{"name":"Мария Иванова"}'.encode()) == expected
    assert TYPES.decode("test.renamed.v2", '{"full_name":"Мария Иванова"}'.encode()) == expected
    assert TYPES.decode("test.renamed.v3", TYPES.encode(expected)) == expected


def test_unknown_topic_is_refused() -> None:
    with pytest.raises(UnknownTopicError, match=r"test\.other\.v1") as refused:
        TYPES.decode("test.other.v1", b"{}")
    assert isinstance(refused.value, Unavailable)  # a newer process of the service can read it
    assert "test.other" not in str(refused.value.as_wire())


def test_an_event_of_another_service_is_a_defect() -> None:
    with pytest.raises(TypeError, match="is not among the events"):
        EventTypes().encode(Renamed(first="A", last="B"))


def test_state_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        TYPES.decode("test.renamed.v3", b'{"first":1,"last":"x"}')


def test_events_cannot_share_a_topic() -> None:
    with pytest.raises(ValueError, match="share a topic"):
        EventTypes(Renamed, Renamed)
    with pytest.raises(ValueError, match="current topic"):
        EventTypes(Renamed, upcasts={"test.renamed.v3": _v1})


def test_stream_is_replayed_into_its_aggregate(store: MemoryStore) -> None:
    id_ = uuid4()
    for name in ("a", "b"):
        store.execute(rename, Rename(id_, name))
    thing = store.query(lambda session: session.load(Thing, id_))
    assert (thing.version, thing.names) == (2, ["a", "b"])
    assert [recorded.originator_version for recorded in store.log] == [1, 2]


def test_repeated_command_id_returns_the_first_result(store: MemoryStore) -> None:
    command = Rename(uuid4(), "a")
    with context.bind(command_id=uuid4()):
        assert store.execute(rename, command) == store.execute(rename, command)
        with pytest.raises(Conflict):
            store.execute(rename, Rename(command.id, "b"))
    assert len(store.log) == 1


def test_refused_command_leaves_nothing_behind(store: MemoryStore) -> None:
    store.execute(rename, Rename(uuid4(), "a"))
    with pytest.raises(Forbidden):
        store.execute(rename_and_refuse, Rename(uuid4(), "b"))
    assert (len(store.log), store.read_model.count) == (1, 1)


def test_query_cannot_append(store: MemoryStore) -> None:
    with pytest.raises(RuntimeError, match="query"):
        store.query(lambda session: rename(session, Rename(uuid4(), "a")))
    assert store.log == []
