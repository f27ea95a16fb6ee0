"""Moving a book of the ledger to another database, or another server, while the others work.

1. Its schema is made in the other database, and frozen there, and the log is copied ahead.
2. The book is frozen: whoever would write into it is told to send it again.
3. All other rows are copied, and what was appended meanwhile, by one transaction there.
4. Both are compared, table by table and row by row.
5. The book is closed here: nobody reads from here any more what is about to change there.
6. The copy is thawed. From that moment on it is the book.

There is never more than one that can be written, so nothing can be lost by a step that breaks off:
`move` goes on from there, and `move_back` gives up, until the last step. The log on the other
server is confirmed by its relay as after each change of server: a new epoch begins there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg import sql

from services.language import text
from shared.database import connect_as_owner
from shared.eventstore.freezing import (
    close,
    copy_name,
    freeze,
    is_closed,
    is_frozen,
    moved_name,
    name_copy,
    reopen,
    tables_of,
    thaw,
)
from shared.eventstore.migrations import migrate
from shared.eventstore.schema_copy import (
    LOG,
    Digest,
    Progress,
    SchemaCopyError,
    check_same_version,
    copy_ahead,
    copy_schema,
    digest_of_log,
    digests,
    last_position,
    size_of,
)
from shared.ids import new_id

Report = Callable[[str], None]
"""Called with the name of each step that begins: ahead, freezing, copying, comparing,
switching."""

PATIENCE_S, PAUSE_S = 20.0, 0.2
"""How long is waited for a run before to be gone, and how often that is looked for."""
_IS_HELD = """
SELECT EXISTS (SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND pid = %s
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0))
"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_LAST = """
SELECT notification_id, originator_id, command_id, recorded_at FROM {}
 ORDER BY notification_id DESC LIMIT 1
"""
_SAME = """
SELECT FROM {} WHERE notification_id = %s AND originator_id = %s AND command_id = %s
   AND recorded_at = %s
"""
_ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) ORDER BY 1"


class MoveError(Exception):
    """The book cannot be moved like that; the text says why, and what to do."""


class Plan(NamedTuple):
    """A log, the owner's URL of its database here and there, and the logins that it has there.

    ``roles`` are those of whoever uses it here.
    """

    log: str
    here: str
    there: str
    runtime_url: str
    sealer_url: str
    roles: tuple[str, ...]


class Moved(NamedTuple):
    """What was moved: rows by table; nothing where it had moved already."""

    rows: Mapping[str, int]


def move(
    plan: Plan,
    run: msgspec.Struct,
    report: Report = lambda _: None,
    progress: Progress = lambda _: None,
) -> Moved:
    """Move a book, from wherever a run before has broken off; raises MoveError.

    ``run`` says who does so and why: it is kept with the commands of the log there.
    """
    with _alone(plan) as (here, there):
        compared: Mapping[str, Digest] = {}
        if not is_closed(here, plan.log):
            _check_room(there, plan.log)
            report("ahead")
            ahead = _copied_ahead(plan, here, there, progress)
            report("freezing")
            freeze(here, plan.log)
            compared = _copied(plan, here, there, ahead, report, progress)
            report("switching")
            close(here, plan.log, _known(here, plan.roles), name_copy(there, plan.log))
        else:
            _check_takes_over(here, there, plan.log)
        if is_frozen(there, plan.log):
            thaw(there, plan.log, first=lambda: _keep(there, plan.log, run))
        else:
            thaw(there, plan.log)
    return Moved({table: digest.rows for table, digest in compared.items()})


def move_back(plan: Plan) -> None:
    """Give up a move that was not completed: the book works on here. Raises MoveError."""
    with _alone(plan) as (here, there):
        if is_closed(here, plan.log):
            _check_takes_over(here, there, plan.log)
            # Only what is frozen there has not taken over.
            if not is_frozen(there, plan.log):
                raise MoveError(
                    text(
                        "{log} has moved: to have it here again, move it from where it is now",
                        log=plan.log,
                    )
                )
            reopen(here, plan.log)
        if tables_of(there, plan.log):
            _check_room(there, plan.log)
            there.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(plan.log)))
        thaw(here, plan.log)


def size_here(plan: Plan) -> int:
    """Return the bytes that are to be copied; raises MoveError where nothing could be."""
    with _alone(plan) as (here, there):
        if not is_closed(here, plan.log):
            _check_room(there, plan.log)
        return size_of(here, plan.log)


class _Ahead(NamedTuple):
    """How far the log is copied already, and what it holds up to there."""

    position: int
    digest: Digest


def _copied_ahead(
    plan: Plan,
    here: psycopg.Connection[Any],
    there: psycopg.Connection[Any],
    progress: Progress,
) -> _Ahead:
    """Make the schema there, and copy the log while others append to it. Raises MoveError."""
    migrate(
        plan.there,
        plan.log,
        plan.runtime_url,
        files("services.ledger").joinpath("migrations"),
        sealer_url=plan.sealer_url,
    )
    try:
        check_same_version(here, there, plan.log)
    except SchemaCopyError:
        raise MoveError(
            text(
                "the tables of {log} are of different versions here and there: bring those that "
                "are to be moved up to date first, `python -m services migrate --contract`",
                log=plan.log,
            )
        ) from None
    # Nobody is to work there before it is whole.
    freeze(there, plan.log)
    copy_ahead(here, there, plan.log, progress)
    position = last_position(there, plan.log)
    digest = digest_of_log(here, plan.log, position)
    if digest_of_log(there, plan.log, position) != digest:
        raise MoveError(
            text(
                "what is there of the log of {log} is not what is here: nothing has moved; give "
                "up with --back, and begin again",
                log=plan.log,
            )
        )
    return _Ahead(position, digest)


def _copied(
    plan: Plan,
    here: psycopg.Connection[Any],
    there: psycopg.Connection[Any],
    ahead: _Ahead,
    report: Report,
    progress: Progress,
) -> Mapping[str, Digest]:
    """Copy what is not copied yet; return what both hold. Raises MoveError."""
    wanted = digests(here, plan.log, ahead.position)
    if digests(there, plan.log, ahead.position) != wanted:
        report("copying")
        copy_schema(here, there, plan.log, progress)
    report("comparing")
    found = digests(there, plan.log, ahead.position)
    if wrong := sorted(table for table in wanted if found.get(table) != wanted[table]):
        raise MoveError(
            text(
                "the copy of {tables} is not what is here: nothing has moved; repeat the "
                "command, or give up with --back",
                tables=", ".join(wrong),
            )
        )
    rows = ahead.digest.rows + wanted[LOG].rows
    return {**wanted, LOG: Digest(rows, "")}


def _check_room(there: psycopg.Connection[Any], log: str) -> None:
    if is_closed(there, log):
        raise MoveError(
            text(
                "{log} has moved away from there before: drop the schemas {log} and {moved} that "
                "are left there first",
                log=log,
                moved=moved_name(log),
            )
        )
    if not tables_of(there, log) or is_frozen(there, log) or not _has_events(there, log):
        return
    raise MoveError(
        text("the other database has a log {log} that is at work: it would be overwritten", log=log)
    )


def _has_events(connection: psycopg.Connection[Any], log: str) -> bool:
    events = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(log, "events"))
    return connection.execute(events).fetchone() is not None


def _keep(there: psycopg.Connection[Any], log: str, run: msgspec.Struct) -> None:
    content = msgspec.json.encode(run)
    there.execute(
        sql.SQL("INSERT INTO {} (command_id, fingerprint, result) VALUES (%s, %s, %s)").format(
            sql.Identifier(log, "commands")
        ),
        (new_id(), sha256(content).digest(), content),
    )


def _check_takes_over(
    here: psycopg.Connection[Any], there: psycopg.Connection[Any], log: str
) -> None:
    """Raise MoveError unless what is there is the one copy that the book has moved to."""
    copy = copy_name(here, moved_name(log))
    if not copy or copy_name(there, log) != copy or not _has_all(here, there, log):
        raise MoveError(
            text("{log} has moved, but not to there: check SALDO_NEXT_LOGIN_URL", log=log)
        )


def _has_all(here: psycopg.Connection[Any], there: psycopg.Connection[Any], log: str) -> bool:
    """Return whether the other database has the last event of what was closed here."""
    if not tables_of(there, log):
        return False
    last = here.execute(sql.SQL(_LAST).format(sql.Identifier(moved_name(log), "events"))).fetchone()
    if last is None:
        return not _has_events(there, log) or is_frozen(there, log)
    found = there.execute(sql.SQL(_SAME).format(sql.Identifier(log, "events")), last).fetchone()
    return found is not None


def _known(connection: psycopg.Connection[Any], roles: tuple[str, ...]) -> list[str]:
    return [row[0] for row in connection.execute(_ROLES, (list(roles),)).fetchall()]


@contextmanager
def _alone(
    plan: Plan,
) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Connect to both databases, in which nobody else moves this book."""
    with connect_as_owner(plan.here) as here, connect_as_owner(plan.there) as there:
        lock = f"{plan.log}.move"
        _take(here, lock)
        row = there.execute(_IS_HELD, (here.info.backend_pid, lock)).fetchone()
        if row is not None and row[0]:
            raise MoveError(
                text("both databases are the same: {log} is there already", log=plan.log)
            )
        _take(there, lock)
        yield here, there


def _take(connection: psycopg.Connection[Any], lock: str) -> None:
    """Take the lock of whoever moves a book, for as long as the connection is open.

    The server may take a while to notice that a run before has ended.
    """
    ends = time.monotonic() + PATIENCE_S
    while True:
        row = connection.execute(_LOCK, (lock,)).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > ends:
            raise MoveError(text("somebody else moves this book right now"))
        time.sleep(PAUSE_S)
