"""What the checks read: a snapshot of the databases, the beliefs, files of the installation.

A log is that of a service, or of a further book of the ledger (`docs/books.md`). A book may be in
another database, whose snapshot is of almost the same moment.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from shared.books import service_of
from tests.faults.books import ledgers_in, logs_in, owner_url_of
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

    `folder` is where the beliefs lie; `elsewhere` has the connections to the books that are in
    another database than the services.
    """

    environment: Mapping[str, str]
    connection: psycopg.Connection[dict[str, Any]]
    beliefs: Sequence[Belief] = ()
    folder: Path | None = None
    opened_at: float = field(default_factory=time.time)
    elsewhere: Mapping[str, psycopg.Connection[dict[str, Any]]] = field(default_factory=dict)
    _facts: dict[str, list[Fact]] = field(default_factory=dict)
    _epochs: dict[str, dict[str, int]] = field(default_factory=dict)
    _times: dict[str, Mapping[int, float]] = field(default_factory=dict)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query in the snapshot."""
        return self.connection.execute(query, values).fetchall()

    def rows_of(self, log: str, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query in the snapshot of the database that a log is in."""
        if (connection := self.elsewhere.get(log)) is not None:
            return connection.execute(query, values).fetchall()
        return self.rows(query, *values)

    def rows_of_books(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query in all books; `{book}` in it is the schema of each."""
        return [
            row for log in self.books for row in self.rows_of(log, query.replace("{book}", log))
        ]

    @property
    def logs(self) -> Sequence[str]:
        """All logs: those of the services, the further books after the ledger."""
        return logs_in(self.environment)

    @property
    def books(self) -> Sequence[str]:
        """The logs of all books of the ledger, the first one first."""
        return ledgers_in(self.environment)

    def connection_of(self, log: str) -> psycopg.Connection[dict[str, Any]]:
        """Return the connection to the database that a log is in."""
        return self.elsewhere.get(log, self.connection)

    def facts(self, log: str) -> list[Fact]:
        """Return a whole log, in its order."""
        if log not in self._facts:
            self._facts[log] = list(self._read(log))
        return self._facts[log]

    def by_topic(self, service: str, *topics: str) -> Iterator[Fact]:
        """Yield the events of a service that are of some topics, named without it and version.

        Those of the ledger are of all its books, one book after the other.
        """
        wanted = {f"{service}.{topic}.v1" for topic in topics}
        logs = (log for log in self.logs if service_of(log) == service)
        return (fact for log in logs for fact in self.facts(log) if fact.topic in wanted)

    @cached_property
    def caused(self) -> Mapping[str, list[tuple[str, Fact]]]:
        """The events by correlation id: (service, event). An event of any book is the ledger's."""
        found: dict[str, list[tuple[str, Fact]]] = defaultdict(list)
        for log in self.logs:
            for fact in self.facts(log):
                found[fact.correlation_id].append((service_of(log), fact))
        return found

    def about(self, *whats: str) -> Iterator[Belief]:
        """Yield the beliefs about some commands or notes."""
        return (belief for belief in self.beliefs if belief.what in whats)

    @cached_property
    def losses(self) -> list[tuple[float, float]]:
        """The spans of time in which what was committed may be lost, by faults that lose it."""
        return [(one.data["since"], one.data["until"]) for one in self.about("lost")]

    def epochs(self, log: str) -> dict[str, int]:
        """Return the last position of each epoch of a log."""
        if log in self._epochs:
            return self._epochs[log]
        query = f"SELECT name, after_position FROM {log}.epochs ORDER BY number"
        rows = self.rows_of(log, query)
        head = self.facts(log)[-1].position if self.facts(log) else 0
        ends = [*(row["after_position"] for row in rows[1:]), head]
        found = {row["name"]: end for row, end in zip(rows, ends, strict=True)}
        self._epochs[log] = found
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

    def may_be_gone(self, log: str, position: int, *, from_queues: bool = False) -> bool:
        """Return whether the broker may have lost the message of an event: it was published before
        the broker was put back or emptied, or, in queues, before these were declared again."""
        end = self._messages_lost_until[from_queues]
        return self._recorded_by(log).get(position, 0.0) <= end

    @cached_property
    def _messages_lost_until(self) -> tuple[float, float]:
        """When what the broker may have lost ends: in streams, and in queues."""
        ends = [note.at for note in self.about("fault") if note.data["did"] in _LOSES_MESSAGES]
        declared = [note.at for note in self.about("queues")] if ends else []
        return max(ends, default=-1.0), max([*ends, *declared], default=-1.0)

    def is_refused_at_failover(self, log: str, position: int) -> bool:
        """Return whether a queue may have refused an event while a node of the broker was lost.

        The live feed does not send it again (shared/bus/live.py): its subscriber reads the history.
        It sends by another channel soon after, so a queue takes what is recorded later.
        """
        losses = self._losses_of_broker_nodes
        if not losses:
            return False
        recorded = self._recorded_by(log).get(position, 0.0)
        return any(-BEFORE_FAILOVER_S <= recorded - at <= AFTER_FAILOVER_S for at in losses)

    @cached_property
    def _losses_of_broker_nodes(self) -> list[float]:
        faults = self.about("fault")
        return [one.at for one in faults if _LOSES_BROKER_NODE.search(str(one.data["did"]))]

    def _recorded_by(self, log: str) -> Mapping[int, float]:
        """Return when each event was there (Unix time), whatever a clock that was ahead said."""
        if log not in self._times:
            times, earliest = dict[int, float](), float("inf")
            for fact in reversed(self.facts(log)):
                earliest = min(earliest, fact.recorded_at.timestamp())
                times[fact.position] = earliest
            self._times[log] = times
        return self._times[log]

    def is_ghost(self, log: str, position: int, epoch: str) -> bool:
        """Return whether an event was lost with the tail of its log."""
        return position > self.epochs(log).get(epoch or "1", -1)

    def is_lost_position(self, log: str, position: int) -> bool:
        """Return whether a position may have been in a tail that the log has lost.

        A new epoch alone says nothing: it also begins where a log has changed its server whole.
        """
        if self.beliefs and not self.losses:
            return False
        ends = list(self.epochs(log).values())
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

    def _read(self, log: str) -> Iterator[Fact]:
        with self.connection_of(log).cursor(f"log_{log}") as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(
                "SELECT notification_id, originator_id::text, originator_version, topic, state,"
                " recorded_at, correlation_id, actor"
                f" FROM {log}.events ORDER BY notification_id"
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
    """Yield the evidence of an installation, read in one read-only snapshot of each database."""
    opened_at = time.time()
    with ExitStack() as stack:

        def opened(url: str) -> psycopg.Connection[dict[str, Any]]:
            connection = stack.enter_context(
                psycopg.connect(url, connect_timeout=5, row_factory=dict_row)
            )
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return connection

        here = environment["SALDO_DATABASE_URL"]
        urls = {log: owner_url_of(environment, log) for log in ledgers_in(environment)}
        yield Evidence(
            environment,
            opened(here),
            read_beliefs(beliefs) if beliefs else (),
            beliefs.parent if beliefs else None,
            opened_at,
            {log: opened(url) for log, url in urls.items() if url != here},
        )
