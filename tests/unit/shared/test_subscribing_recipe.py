"""The recipe of docs/subscribing.md, as it stands there, on feeds that lose, repeat and shuffle.

The model has a log that grows and that may lose its end, the live feed with the headers that it
really sends, a queue that may lose anything, and the history as the gateway returns it. Each event
takes effect exactly once, and what was lost has none in the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.routes.events import cloud_event
from shared.bus import Publication
from shared.bus.epochs import Epoch, LogHistory
from shared.bus.messages import EPOCH_HEADER, Envelope, TypePredecessors, envelope
from shared.eventstore import Event, Recorded

PAGE = Path(__file__).parents[3] / "docs" / "subscribing.md"
TWICE = "payment_posted.v2"
"""Stands for an event that is published in two versions."""
TYPES = ("charges_posted", "payment_posted", "penalty_accrued", TWICE, "internal")
PUBLISHED = {"charges_posted", "payment_posted", "penalty_accrued"}
GRANTED = "payment_posted"
PAGE_SIZE = 3

Effect: TypeAlias = tuple[str, str, int]
"""The type, the epoch and the position of an event."""


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
    """The log of a service; an event of the type ``internal`` is not published.

    ``lines`` counts its losses: events of different lines at one position are different ones.
    """

    types: list[str] = field(default_factory=list)
    epochs: list[tuple[str, int]] = field(default_factory=lambda: [("1", 0)])
    lines: int = 0

    def lose(self, kept: int) -> int:
        """Lose what comes after a position, epochs and all; return where the new epoch begins."""
        self.lines += 1
        del self.types[kept:]
        fork = len(self.types)
        self.epochs = [one for one in self.epochs if one[1] <= fork]
        self.epochs.append((f"{len(self.epochs) + 1}.{self.lines:08x}", fork))
        return fork

    def parts(self) -> LogHistory:
        began = datetime(2026, 11, 1, tzinfo=UTC)
        epochs = tuple(Epoch(name, after, began, "tail_lost") for name, after in self.epochs)
        return LogHistory(epochs, len(self.types))

    def published(self) -> list[Envelope]:
        """Return the messages of the live feed, from the first on."""
        messages, before, chain, parts = [], 0, TypePredecessors({}), self.parts()
        for position, type_ in enumerate(self.types, start=1):
            if type_ == "internal":
                continue
            epoch = parts.epoch_at(position).name
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
                name, data = type_.removesuffix(".v2"), {"position": position, "epoch": epoch}
                publication = Publication(name, "subject", data, version)
                sent = envelope("ledger", recorded, publication, before, epoch)
                messages.append(chain.added_to(sent))
            before = position
        return messages

    def events(self, types: set[str]) -> list[Effect]:
        """Return type, epoch and position of each event of these types, in order."""
        return list(
            dict.fromkeys(
                (type_of(one), one.headers[EPOCH_HEADER], one.headers["saldo_position"])
                for one in self.published()
                if type_of(one) in types
            )
        )

    def history(self, after: int, epoch: str, types: set[str]) -> dict[str, Any]:
        """Return a page of GET /api/v1/events; raises NotInLogError."""
        parts = self.parts()
        if not parts.fits(epoch, after):
            fork = parts.fork_of(epoch, after)
            raise NotInLogError(fork, parts.epoch_at(fork).name)
        reached = min(len(self.types), after + PAGE_SIZE)
        events = [
            {**cloud_event(one.headers, one.body.decode()), "data": json.loads(one.body)}
            for one in self.published()
            if after < one.headers["saldo_position"] <= reached and type_of(one) in types
        ]
        return {
            "events": events,
            "position": reached,
            "epoch": parts.epoch_at(reached).name,
            "more": reached - after >= PAGE_SIZE,
        }


class NotInLogError(Exception):
    """409 ``position_not_in_log``."""

    def __init__(self, fork: int, fork_epoch: str) -> None:
        super().__init__(fork, fork_epoch)
        self.fork, self.fork_epoch = fork, fork_epoch


class CrashError(Exception):
    """The reader's process ends, before or after its transaction."""


@dataclass
class Store:
    """What a reader keeps: the effects, with the position, in transactions that may crash."""

    crashes: list[str]
    position: int = 0
    epoch: str = ""
    effects: list[Effect] = field(default_factory=list)
    undone: list[Effect] = field(default_factory=list)

    def seen(self, type_: str) -> int:
        return max((position for name, _, position in self.effects if name == type_), default=0)

    @property
    def latest(self) -> int:
        return max([self.position, *(position for *_, position in self.effects)])

    def apply(self, events: list[Any], position: int, epoch: str) -> None:
        with self.transaction():
            for type_, *_, data in events:
                self.effects.append((type_, data["epoch"], data["position"]))
            self.position, self.epoch = position, epoch

    def undo(self, position: int, epoch: str) -> None:
        with self.transaction():
            self.undone += [one for one in self.effects if one[2] > position]
            self.effects = [one for one in self.effects if one[2] <= position]
            self.position, self.epoch = min(self.position, position), epoch

    @contextmanager
    def transaction(self) -> Iterator[None]:
        crash = self.crashes.pop() if self.crashes else ""
        if crash == "before":
            raise CrashError
        yield
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
    asked: int = 0

    def start(self) -> None:
        def history(position: int, epoch: str) -> dict[str, Any]:
            self.asked += 1
            return self.log.history(position, epoch, self.types)

        self.reader = self.recipe(self.store, history, NotInLogError)
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

    def lose(self, kept: int) -> None:
        """Lose the end of the log; the live feed goes on after the fork. The queue is as it was."""
        fork = self.log.lose(kept)
        sent = len([one for one in self.log.published() if one.headers["saldo_position"] <= fork])
        self.fed = min(self.fed, sent)

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
        st.tuples(st.just("lose"), st.integers(0, 12)),
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
            case "lose":
                world.lose(detail)
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
    assert world.store.effects == [(GRANTED, "1", 1), (GRANTED, "1", 3)]


@pytest.mark.parametrize("name", ["Reader", "ReaderOfTypes"])
def test_reader_undoes_what_was_lost_and_takes_what_is_there_now(name: str) -> None:
    """Lost events are in its queue, applied and waiting; real ones have the same positions."""
    world = World(recipe(name), {GRANTED}, Store([]))
    world.start()
    world.log.types += [GRANTED] * 4
    world.feed("whole")
    ghosts = [world.queue.pop() for _ in range(2)]
    world.read()
    world.log.types += [GRANTED]
    world.lose(1)
    world.queue += ghosts
    world.read()
    world.log.types += [GRANTED] * 3
    world.feed("whole")
    world.queue += ghosts
    world.read()
    second = "2.00000001"
    assert world.store.effects == [
        (GRANTED, "1", 1),
        *((GRANTED, second, position) for position in (2, 3, 4)),
    ]
    assert world.store.undone == [(GRANTED, "1", 2)], "the others were recognised in the queue"


@pytest.mark.parametrize("name", ["Reader", "ReaderOfTypes"])
def test_lost_events_that_come_again_after_the_undoing_have_no_effect(name: str) -> None:
    """Nothing has happened in the new epoch yet: the log says no more than where the old one ends.

    So it is with what a node of the broker delivers that stood still meanwhile.
    """
    world = World(recipe(name), {GRANTED}, Store([]))
    world.start()
    world.log.types += [GRANTED] * 4
    world.feed("whole")
    again = list(world.queue)
    world.read()
    world.lose(2)
    world.read()
    world.reader.catch_up()
    world.queue += again
    world.read()
    assert world.store.effects == [(GRANTED, "1", 1), (GRANTED, "1", 2)]


def test_message_of_a_line_that_is_gone_costs_one_look_at_the_history() -> None:
    """Thousands of them may wait in the queue, and reading by HTTP has its limits."""
    world = World(recipe("Reader"), PUBLISHED, Store([]))
    world.log.types += [GRANTED] * 9
    world.feed("whole")
    world.lose(2)
    world.log.types += [GRANTED]
    world.start()
    asked = world.asked
    world.read()
    assert world.asked - asked <= 2
    assert [position for *_, position in world.store.effects] == [1, 2, 3]
