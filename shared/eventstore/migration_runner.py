"""Runs migrations beside services that work: no step keeps others from what they do for long.

Whoever waits for a lock on a table makes everybody wait who comes after him. So a step waits for
its locks shortly, lets those behind it go on, and tries again after a pause. How far each step has
come is in the table ``migration_progress``, for whoever looks, and for the next migrator when this
one is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from shared.eventstore.migration_steps import (
    Kind,
    MigrationError,
    Step,
    index_made_by,
    with_parameters,
)

T = TypeVar("T")

TABLES = """
CREATE TABLE IF NOT EXISTS migrations (
    name       text        PRIMARY KEY,
    digest     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS migration_progress (
    name       text        PRIMARY KEY,
    kind       text        NOT NULL,
    state      text        NOT NULL,
    detail     text        NOT NULL DEFAULT '',
    point      text,
    rows       bigint      NOT NULL DEFAULT 0,
    attempts   bigint      NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS schema_levels (
    level      integer     PRIMARY KEY CHECK (level > 0),
    reached_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
_NOTE = """
INSERT INTO migration_progress (name, kind, state, detail) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, detail = excluded.detail,
    attempts = migration_progress.attempts + 1, updated_at = clock_timestamp()
"""
_MOVE = """
UPDATE migration_progress SET point = %s, rows = rows + %s, updated_at = clock_timestamp()
 WHERE name = %s
"""
_DONE = """
UPDATE migration_progress SET state = 'done', detail = '', updated_at = clock_timestamp()
 WHERE name = %s
"""
# Only some owners may see since when the transactions of others have run, and their states.
_IN_THE_WAY = """
SELECT a.application_name, a.pid, coalesce(a.state, '') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS seconds
  FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
  JOIN pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.granted AND l.pid <> pg_backend_pid() AND c.relkind IN ('r', 'p')
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND c.relnamespace = current_schema()::regnamespace
 ORDER BY a.xact_start NULLS LAST, a.pid LIMIT 1
"""
_VALID = """
SELECT i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE c.relname = %s AND c.relnamespace = current_schema()::regnamespace
"""
_CONTENDED = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
)


@dataclass(frozen=True)
class Patience:
    """How long a step waits for others, and keeps others waiting.

    PostgreSQL asks an autovacuum to leave only when somebody has waited for its lock for
    deadlock_timeout, a second: so every fourth attempt waits longer than that, and yet less than
    the services do (`shared.database.LOCK_TIMEOUT_MS`).
    """

    lock_ms: int = 300
    fourth_lock_ms: int = 1_500
    statement_ms: int = 1_500
    """How long a statement of a short step may take, with a table in its hands: less than others
    wait for it."""
    row_lock_ms: int = 2_000
    first_pause_s: float = 0.5
    longest_pause_s: float = 10.0
    give_up_s: float = 900.0
    report_every_s: float = 15.0
    slow_batch_s: float = 0.25
    """A batch of a backfill that takes longer is followed by a smaller one."""

    def lock_ms_of(self, attempt: int) -> int:
        """Return how long an attempt waits for a lock on a table; the first one is 1."""
        return self.lock_ms if attempt % 4 else self.fourth_lock_ms

    def pause_s_after(self, attempt: int) -> float:
        """Return the pause after an attempt."""
        return min(self.first_pause_s * 2.0 ** min(attempt - 1, 10), self.longest_pause_s)


class Runner:
    """Applies steps to one schema on the owner's connection, whose search_path is that schema."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        schema: str,
        report: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._report = report
        self._patience = patience
        self._reported_at = float("-inf")

    def is_new(self) -> bool:
        """Return whether nothing was ever applied to the schema: nobody uses it yet."""
        return self._one("SELECT FROM migrations LIMIT 1") is None

    def is_applied(self, step: Step) -> bool:
        """Return whether a step was applied; raises MigrationError if it was another one."""
        known = self._one("SELECT digest FROM migrations WHERE name = %s", (step.name,))
        if known is None:
            return False
        if known[0] != _digest(step):
            raise MigrationError(
                f"{self._schema}/{step.name} was applied with other content: add a new migration "
                "instead"
            )
        return True

    def apply(self, step: Step) -> None:
        """Apply a step, or go on with it; raises MigrationError when it cannot be done now."""
        try:
            match step.kind:
                case Kind.CONCURRENT:
                    self._apply_apart(step)
                case Kind.BACKFILL:
                    self._fill(step)
                case _:
                    self.in_transaction(step.name, step.kind, lambda: self._execute_whole(step))
        except (MigrationError, psycopg.Error) as error:
            self._note_failure(step, error)
            raise
        self._report(f"{self._schema}: {step.name}")

    def in_transaction(self, name: str, kind: str, work: Callable[[], object]) -> None:
        """Do something in a transaction that waits for its locks shortly, again and again."""

        def once(attempt: int) -> None:
            with self._transaction(self._patience.lock_ms_of(attempt)):
                if kind in (Kind.EXPAND, Kind.CONTRACT):
                    self._set_local("statement_timeout", self._patience.statement_ms)
                work()
                self._connection.execute(_DONE, (name,))

        self._patiently(name, kind, once)

    def _execute_whole(self, step: Step) -> None:
        self._connection.execute(step.text)
        self._record(step)

    def _apply_apart(self, step: Step) -> None:
        """Run each statement alone; what an interrupted migrator has done is not done again."""
        for statement in step.statements:
            self._note(step.name, step.kind, "running", statement.split("(")[0].strip())
            index = index_made_by(statement)
            run = (
                partial(self._run, statement)
                if index is None
                else partial(self._build, statement, index)
            )
            self._patiently(step.name, step.kind, run)
        with self._connection.transaction():
            self._record(step)

    def _build(self, statement: str, index: str, _: int) -> None:
        """Build an index, in the place of one that was left half built."""
        found = self._one(_VALID, (index,))
        if found is not None and found[0]:
            return
        if found is not None:
            self._report(f"{self._schema}: {index} was left half built: it is built anew")
            self._drop(index)
        self._say(f"{self._schema}: {index} is being built; others work meanwhile")
        try:
            self._run(statement)
        except psycopg.errors.UniqueViolation:
            self._drop(index)  # each write would go on to maintain it
            raise MigrationError(
                f"{self._schema}: {index} cannot be built: some rows have the same values"
            ) from None

    def _drop(self, index: str) -> None:
        self._run(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(index)))

    def _run(self, statement: str | sql.Composed, _: int = 1) -> None:
        self._connection.execute(statement)

    def _fill(self, step: Step) -> None:
        """Run the statement for batch after batch, from the point where the last one ended."""
        self._note(step.name, step.kind, "running", "")
        size = step.batch
        while True:
            began = time.monotonic()
            if self._patiently(step.name, step.kind, partial(self._batch, step, size)):
                return
            took = time.monotonic() - began
            is_slow = took > self._patience.slow_batch_s
            size = max(1, size // 2) if is_slow else min(step.batch, size * 2)
            # At least half of the time is for others.
            time.sleep(max(step.pause_s, took))

    def _batch(self, step: Step, size: int, _: int) -> bool:
        """Fill one batch in a transaction, with the point after it; return whether that was all."""
        with self._transaction(self._patience.row_lock_ms):
            at = self._one(
                "SELECT point, rows FROM migration_progress WHERE name = %s FOR UPDATE",
                (step.name,),
            )
            point, rows = at if at is not None else (None, 0)
            [statement] = step.statements
            found = self._one(with_parameters(statement), {"after": point, "limit": size})
            if found is None or len(found) != 2:
                raise MigrationError(
                    f"{self._schema}/{step.name}: a backfill returns one row, of the key of its "
                    "last row as text (NULL: there was none) and the number of rows"
                )
            after, done = found
            if after is None:
                self._record(step)
                return True
            if str(after) == point:
                raise MigrationError(f"{self._schema}/{step.name} does not move on from its point")
            self._connection.execute(_MOVE, (str(after), done, step.name))
        self._say(f"{self._schema}: {step.name}: {rows + done} rows")
        return False

    def _patiently(self, name: str, kind: str, once: Callable[[int], T]) -> T:
        """Return what an attempt returns that nobody was in the way of."""
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return once(attempt)
            except _CONTENDED as error:
                waits_for = self._in_the_way()
                if time.monotonic() - began >= self._patience.give_up_s:
                    raise MigrationError(
                        f"{self._schema}/{name} could not be applied within "
                        f"{self._patience.give_up_s:.0f} s ({type(error).__name__}); it waits for "
                        f"{waits_for}. Nothing is lost: run the migrator again"
                    ) from None
                self._note(name, kind, "waiting", f"{type(error).__name__}: {waits_for}")
                self._say(f"{self._schema}: {name} waits for {waits_for}")
            time.sleep(self._patience.pause_s_after(attempt))

    def _in_the_way(self) -> str:
        """Return who holds locks in the schema, the oldest transaction first."""
        found = self._one(_IN_THE_WAY)
        if found is None:
            return "somebody who is gone by now"
        name, pid, state, seconds = found
        since = "" if seconds is None else f", in a transaction for {seconds} s"
        return f"{name or 'a session'} (pid {pid}{', ' * bool(state)}{state}{since})"

    @contextmanager
    def _transaction(self, lock_ms: int) -> Iterator[None]:
        with self._connection.transaction():
            self._set_local("lock_timeout", lock_ms)
            yield

    def _set_local(self, name: str, milliseconds: int) -> None:
        self._connection.execute("SELECT set_config(%s, %s, true)", (name, str(milliseconds)))

    def _record(self, step: Step) -> None:
        self._connection.execute(
            "INSERT INTO migrations (name, digest) VALUES (%s, %s)", (step.name, _digest(step))
        )
        self._connection.execute(_DONE, (step.name,))
        if step.level:
            self._connection.execute(
                "INSERT INTO schema_levels (level) VALUES (%s) ON CONFLICT DO NOTHING",
                (step.level,),
            )

    def _note(self, name: str, kind: str, state: str, detail: str) -> None:
        self._connection.execute(_NOTE, (name, kind, state, detail))

    def _note_failure(self, step: Step, error: Exception) -> None:
        """Note that a step has failed, unless the database is away: then the note of before stays.

        The text of an error of the database may quote a row.
        """
        if not self._connection.closed:
            self._note(step.name, step.kind, "failed", type(error).__name__)

    def _say(self, line: str) -> None:
        """Report how far it has come, now and then."""
        if time.monotonic() - self._reported_at >= self._patience.report_every_s:
            self._reported_at = time.monotonic()
            self._report(line)

    def _one(self, query: str, parameters: Any = None) -> Any:
        return self._connection.execute(query, parameters).fetchone()


def _digest(step: Step) -> str:
    return sha256(step.text.encode()).hexdigest()
