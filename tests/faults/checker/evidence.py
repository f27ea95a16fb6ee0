"""What the checks read: a snapshot of the database, the beliefs, files of the installation."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from shared.config import SERVICES
from tests.faults.load.beliefs import Belief, read_beliefs

_AT_ONCE = 2000
_MAKING_S = 15.0
"""A fault is noted once it is made, which may take so long."""
_LEAVES_STRANGE_MESSAGES = (
    "backup of PostgreSQL", "the tail is lost", "copy of RabbitMQ", "empty the folder of RabbitMQ",
    "put into ", "double ", "divert ",
)  # fmt: skip
"""What the faults say after which messages may be quarantined: they are not in the log any more, or
never were."""
_LOSES_MESSAGES = frozenset({"restore_broker healed", "empty_broker healed"})
"""What is noted when the broker is back without messages that it had."""


_LOSES_BROKER_NODE = re.compile(r"\bmq-\d|\bthe RabbitMQ that |\ba RabbitMQ beside ")
BEFORE_FAILOVER_S, AFTER_FAILOVER_S = 30.0, 90.0
"""How long before and after a node of the broker is lost an event may be recorded that a queue then
refuses: until it is sent, others lead, and the feed has another channel, on a busy machine."""


class Fact(msgspec.Struct, frozen=True):
    """A row of a log; `data` is its JSON."""

    position: int
    stream: str
    version: int
    topic: str
    data: dict[str, Any]
    recorded_at: datetime
    correlation_id: str
    actor: str = ""


@dataclass
class Evidence:
    """What is known of an installation at one moment, not before `opened_at` (Unix time).

    `folder` is where the beliefs lie.
    """

    environment: Mapping[str, str]
    connection: psycopg.Connection[dict[str, Any]]
    beliefs: Sequence[Belief] = ()
    folder: Path | None = None
    opened_at: float = field(default_factory=time.time)
    _facts: dict[str, list[Fact]] = field(default_factory=dict)
    _epochs: dict[str, dict[str, int]] = field(default_factory=dict)
    _times: dict[str, Mapping[int, float]] = field(default_factory=dict)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query in the snapshot."""
        return self.connection.execute(query, values).fetchall()

    def facts(self, service: str) -> list[Fact]:
        """Return the whole log of a service, in its order."""
        if service not in self._facts:
            self._facts[service] = list(self._read(service))
        return self._facts[service]

    def by_topic(self, service: str, *topics: str) -> Iterator[Fact]:
        """Yield the events of a service that are of some topics, named without it and version."""
        wanted = {f"{service}.{topic}.v1" for topic in topics}
        return (fact for fact in self.facts(service) if fact.topic in wanted)

    @cached_property
    def caused(self) -> Mapping[str, list[tuple[str, Fact]]]:
        """The events by correlation id: (service, event)."""
        found: dict[str, list[tuple[str, Fact]]] = defaultdict(list)
        for service in SERVICES:
            for fact in self.facts(service):
                found[fact.correlation_id].append((service, fact))
        return found

    def about(self, *whats: str) -> Iterator[Belief]:
        """Yield the beliefs about some commands or notes."""
        return (belief for belief in self.beliefs if belief.what in whats)

    @cached_property
    def losses(self) -> list[tuple[float, float]]:
        """The spans of time in which what was committed may be lost, by faults that lose it."""
        return [(one.data["since"], one.data["until"]) for one in self.about("lost")]

    def epochs(self, service: str) -> dict[str, int]:
        """Return the last position of each epoch of a log."""
        if service in self._epochs:
            return self._epochs[service]
        rows = self.rows(f"SELECT name, after_position FROM {service}.epochs ORDER BY number")
        head = self.facts(service)[-1].position if self.facts(service) else 0
        ends = [*(row["after_position"] for row in rows[1:]), head]
        found = {row["name"]: end for row, end in zip(rows, ends, strict=True)}
        self._epochs[service] = found
        return found

    def is_newer(self, file: Path) -> bool:
        """Return whether a file was written when the snapshot may have been taken already.

        It may speak of what the snapshot does not have yet.
        """
        return file.stat().st_mtime >= self.opened_at

    @property
    def had_faults(self) -> bool:
        """Return whether there was any trouble, as far as is written down."""
        return any(True for _ in self.about("fault"))

    @cached_property
    def troubles(self) -> list[tuple[float, float]]:
        """The spans of time in which some fault was in effect; one that is not healed has no end.

        A fault that was over at once is noted, and its healing later.
        """
        spans: list[tuple[float, float]] = []
        under_way: list[float] = []
        for note in sorted(self.about("fault"), key=lambda note: note.at):
            if not str(note.data["did"]).endswith(" healed"):
                under_way.append(note.at)
            elif under_way:
                spans.append((under_way.pop(0), note.at))
        return [*spans, *((began, float("inf")) for began in under_way)]

    def was_troubled(self, instant: float, after: float) -> bool:
        """Return whether a fault was in effect at an instant, or had been until shortly before."""
        return any(began - _MAKING_S <= instant <= ended + after for began, ended in self.troubles)

    def was_lost_at(self, instant: datetime) -> bool:
        """Return whether an event of an instant may have been lost with the tail of its log."""
        moment = instant.timestamp()
        return any(since <= moment <= until for since, until in self.losses)

    def may_be_gone(self, service: str, position: int, *, from_queues: bool = False) -> bool:
        """Return whether the broker may have lost the message of an event: it was published before
        the broker was put back or emptied, or, in queues, before these were declared again."""
        ends = [note.at for note in self.about("fault") if note.data["did"] in _LOSES_MESSAGES]
        if ends and from_queues:
            ends += [note.at for note in self.about("queues")]
        return self._recorded_by(service).get(position, 0.0) <= max(ends, default=-1.0)

    def is_refused_at_failover(self, service: str, position: int) -> bool:
        """Return whether a queue may have refused an event while a node of the broker was lost.

        The live feed does not send it again (shared/bus/live.py): its subscriber reads the history.
        It sends by another channel soon after, so a queue takes what is recorded later.
        """
        faults = self.about("fault")
        losses = [one.at for one in faults if _LOSES_BROKER_NODE.search(str(one.data["did"]))]
        if not losses:
            return False
        recorded = self._recorded_by(service).get(position, 0.0)
        return any(-BEFORE_FAILOVER_S <= recorded - at <= AFTER_FAILOVER_S for at in losses)

    def _recorded_by(self, service: str) -> Mapping[int, float]:
        """Return when each event was there (Unix time), whatever a clock that was ahead said."""
        if service not in self._times:
            times, earliest = dict[int, float](), float("inf")
            for fact in reversed(self.facts(service)):
                earliest = min(earliest, fact.recorded_at.timestamp())
                times[fact.position] = earliest
            self._times[service] = times
        return self._times[service]

    def is_ghost(self, service: str, position: int, epoch: str) -> bool:
        """Return whether an event was lost with the tail of its log."""
        return position > self.epochs(service).get(epoch or "1", -1)

    def is_lost_position(self, service: str, position: int) -> bool:
        """Return whether a position may have been in a tail that the log has lost."""
        ends = list(self.epochs(service).values())
        return len(ends) > 1 and position > ends[0]

    def explains(self, reason: str) -> bool:
        """Return whether a message may be in quarantine for this reason, after what was done."""
        named = any(reason in one.data["reasons"] for one in self.about("quarantine"))
        return named or self.did(*_LEAVES_STRANGE_MESSAGES)

    def did(self, *words: str) -> bool:
        """Return whether there was a fault that says one of these words."""
        did = [str(one.data["did"]) for one in self.about("fault")]
        return any(word in one for one in did for word in words)

    def may_be_lost(self, belief: Belief) -> bool:
        """Return whether a command was under way in a span whose commits were lost.

        Its answer may be late: what it says was committed at any time since it was asked.
        """
        asked = belief.asked_at or belief.at
        return any(asked <= until and since <= belief.at for since, until in self.losses)

    def _read(self, service: str) -> Iterator[Fact]:
        with self.connection.cursor(f"log_{service}") as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(
                "SELECT notification_id, originator_id::text, originator_version, topic, state,"
                " recorded_at, correlation_id, actor"
                f" FROM {service}.events ORDER BY notification_id"
            )
            for row in cursor:
                yield Fact(
                    row["notification_id"],
                    row["originator_id"],
                    row["originator_version"],
                    row["topic"],
                    msgspec.json.decode(bytes(row["state"])),
                    row["recorded_at"],
                    row["correlation_id"],
                    row["actor"],
                )


@contextmanager
def open_evidence(
    environment: Mapping[str, str], beliefs: Path | None = None
) -> Iterator[Evidence]:
    """Yield the evidence of an installation, read in one read-only snapshot."""
    opened_at = time.time()
    with psycopg.connect(
        environment["SALDO_DATABASE_URL"], connect_timeout=5, row_factory=dict_row
    ) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield Evidence(
            environment,
            connection,
            read_beliefs(beliefs) if beliefs else (),
            beliefs.parent if beliefs else None,
            opened_at,
        )
