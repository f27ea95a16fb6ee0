"""The recipe of docs/subscribing.md, as it stands there, on feeds that lose, repeat and shuffle.

The model has a log that grows, the live feed with the headers that it really sends, a queue that
may lose anything, and the history as the gateway returns it. Each event takes effect
exactly once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.routes.events import cloud_event
from shared.bus import Publication
from shared.bus.messages import Envelope, TypePredecessors, envelope
from shared.eventstore import Event, Recorded

PAGE = Path(__file__).parents[3] / "docs" / "subscribing.md"
TWICE = "payment_posted.v2"
"""Stands for an event that is published in two versions."""
TYPES = ("charges_posted", "payment_posted", "penalty_accrued", TWICE, "internal")
PUBLISHED = {"charges_posted", "payment_posted", "penalty_accrued"}
GRANTED = "payment_posted"
PAGE_SIZE = 3


def recipe(name: str) -> Any:
    """Return a class of the page."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    [block] = [block for block in blocks if block.startswith(f"class {name}:")]
    scope: dict[str, Any] = {}
    exec(block, scope)  # noqa: S102 - the page is ours, and this is its test
    return scope[name]


def type_of(message: Envelope) -> str:
    return str(message.headers["cloudEvents_type"])


class Happened(Event, frozen=True, kw_only=True):
    topic = "x.happened.v1"


@dataclass
class Log:
    """The log of a service; an event of the type ``internal`` is not published."""

    types: list[str] = field(default_factory=list)

    def published(self) -> list[Envelope]:
        """Return the messages of the live feed, from the first on."""
        messages, before, chain = [], 0, TypePredecessors({})
        for position, type_ in enumerate(self.types, start=1):
            if type_ == "internal":
                continue
            recorded = Recorded(
                originator_id=UUID(int=1),
                originator_version=position,
                position=position,
                recorded_at=datetime(2026, 11, 1, tzinfo=UTC),
                command_id=UUID(int=2),
                actor="service:ledger",
                correlation_id="journey",
                event=Happened(),
            )
            for version in (1, 2) if type_ == TWICE else (1,):
                name, data = type_.removesuffix(".v2"), {"position": position}
                publication = Publication(name, "subject", data, version)
                messages.append(chain.added_to(envelope("ledger", recorded, publication, before)))
            before = position
        return messages

    def events(self, types: set[str]) -> list[tuple[str, int]]:
        """Return type and position of each event of these types, in order."""
        return list(
            dict.fromkeys(
                (type_of(one), one.headers["saldo_position"])
                for one in self.published()
                if type_of(one) in types
            )
        )

    def history(self, after: int, types: set[str]) -> dict[str, Any]:
        """Return a page of GET /api/v1/events."""
        reached = min(len(self.types), after + PAGE_SIZE)
        events = [
            {**cloud_event(one.headers, one.body.decode()), "data": json.loads(one.body)}
            for one in self.published()
            if after < one.headers["saldo_position"] <= reached and type_of(one) in types
        ]
        return {"events": events, "position": reached, "more": reached - after >= PAGE_SIZE}


class CrashError(Exception):
    """The reader's process ends, before or after its transaction."""


@dataclass
class Store:
    """What a reader keeps: the effects, with the position, in transactions that may crash."""

    crashes: list[str]
    position: int = 0
    effects: list[tuple[str, int]] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)

    def seen(self, type_: str) -> int:
        return self.last.get(type_, 0)

    def apply(self, events: list[Any], position: int) -> None:
        crash = self.crashes.pop() if self.crashes else ""
        if crash == "before":
            raise CrashError
        for type_, *_, data in events:
            self.effects.append((type_, data["position"]))
            self.last[type_] = max(self.seen(type_), data["position"])
        self.position = position
        if crash == "after":
            raise CrashError


@dataclass
class World:
    """A reader, its queue, and what happens to both."""

    recipe: type[Any]
    types: set[str]
    store: Store
    log: Log = field(default_factory=Log)
    queue: list[Envelope] = field(default_factory=list)
    fed: int = 0

    def start(self) -> None:
        self.reader = self.recipe(self.store, lambda at: self.log.history(at, self.types))
        self.surviving(self.reader.catch_up)

    def surviving(self, run: Any, *arguments: Any) -> None:
        """Run something of the reader; after a crash start again until it holds."""
        while True:
            try:
                run(*arguments)
            except CrashError:
                continue
            return

    def feed(self, fate: str) -> None:
        """Send what is published and not sent yet; the queue may lose, repeat or shuffle it."""
        for message in self.log.published()[self.fed :]:
            self.fed += 1
            if type_of(message) in self.types and fate != "lost":
                self.queue += [message] * (2 if fate == "twice" else 1)
        if fate == "shuffled":
            self.queue.reverse()

    def read(self) -> None:
        while self.queue:
            message = self.queue.pop(0)
            self.surviving(self.reader.receive, message.headers, json.loads(message.body))


fates = st.sampled_from(["whole", "lost", "twice", "shuffled"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.sampled_from(TYPES), min_size=1, max_size=5)),
        st.tuples(st.just("feed"), fates),
        st.tuples(st.just("read"), st.none()),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=30,
)
crashes = st.lists(st.sampled_from(["", "", "before", "after"]), max_size=20)


def run(world: World, before_binding: list[str], happening: list[tuple[str, Any]]) -> None:
    """Let things happen to a reader that begins late, and then let it catch up."""
    world.log.types += before_binding
    world.fed = len(world.log.published())  # sent before the queue was bound
    world.start()
    for step, detail in happening:
        match step:
            case "append":
                world.log.types += detail
            case "feed":
                world.feed(detail)
            case "read":
                world.read()
            case "restart":
                world.start()
    world.feed("whole")
    world.read()
    world.start()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(TYPES), max_size=8), steps, crashes)
def test_a_reader_of_all_types_takes_each_event_once_and_in_order(
    before: list[str], happening: list[tuple[str, Any]], crashing: list[str]
) -> None:
    world = World(recipe("Reader"), PUBLISHED, Store(crashing))
    run(world, before, happening)
    assert world.store.effects == world.log.events(PUBLISHED)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(TYPES), max_size=8), steps, crashes)
def test_a_reader_of_one_type_takes_each_event_once_and_in_order(
    before: list[str], happening: list[tuple[str, Any]], crashing: list[str]
) -> None:
    world = World(recipe("ReaderOfTypes"), {GRANTED}, Store(crashing))
    run(world, before, happening)
    assert world.store.effects == world.log.events({GRANTED})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(TYPES), max_size=8), steps, crashes)
def test_a_reader_of_some_types_takes_each_event_once(
    before: list[str], happening: list[tuple[str, Any]], crashing: list[str]
) -> None:
    types = {GRANTED, "penalty_accrued"}
    world = World(recipe("ReaderOfTypes"), types, Store(crashing))
    run(world, before, happening)
    assert sorted(world.store.effects) == sorted(world.log.events(types))


def test_a_loss_is_found_by_the_next_event_of_its_type_and_not_before() -> None:
    world = World(recipe("ReaderOfTypes"), {GRANTED}, Store([]))
    world.start()
    world.log.types += [GRANTED]
    world.feed("lost")
    world.log.types += ["charges_posted"]
    world.feed("whole")
    world.read()
    assert world.store.effects == [], "only the next payment tells, or the next look at the history"
    world.log.types += [GRANTED]
    world.feed("whole")
    world.read()
    assert world.store.effects == [(GRANTED, 1), (GRANTED, 3)]
