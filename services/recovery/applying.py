"""Recovering: the worker brings lost events back, and stopped readers go back to the fork."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from services.language import text
from services.recovery.status import ReaderShown, Status
from shared import context
from shared.bus.reading import rewind
from shared.errors import Unavailable
from shared.eventstore.lost_events import (
    LostLog,
    Recovery,
    ask_for_recovery,
    outcomes,
    recoveries,
)
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

POLL_S = 0.5
SEARCH_S = 60.0
"""How long the worker may take to get on with reading what the bus has of the log."""
PATIENCE_S = 600.0
"""How long the worker may take: it asks a bank about each payment."""


class Applied(msgspec.Struct, kw_only=True):
    """What was done: lost events by fate, readers by upstream with the point they went back to.

    ``left_to_staff``: staff must repeat something, or find out what was lost.
    """

    events: dict[str, int] = msgspec.field(default_factory=dict)
    readers: dict[str, int] = msgspec.field(default_factory=dict)
    quarantined: int = 0
    waiting: list[str] = msgspec.field(default_factory=list)
    left_to_staff: bool = False


def apply(
    store: PostgresStore,
    status: Status,
    asked: Sequence[str],
    reason: str,
    progress: Callable[[str, int | None], Any],
) -> tuple[Status, Applied]:
    """Recover a service as the actor; return the status with what has become of lost events, too.

    ``asked`` are epochs that the worker was asked for before: it may have brought them back since.
    Raises Unavailable where it does not bring back what was asked for.
    """
    applied = Applied()
    if status.left:
        asked = list({*asked, *ask(store, reason)})
    if asked:
        done = _wait(store, asked, progress)
        lost = store.query(lambda session: outcomes(session.cursor, asked))
        applied.events = dict(sorted(Counter(one.fate.value for one in lost).items()))
        applied.left_to_staff = any(one.advice for one in lost) or any(
            one.lost is None for one in done
        )
        status = msgspec.structs.replace(status, lost=lost)
    for reader in status.readers:
        if reader.fork is None:
            applied.waiting.append(f"{reader.upstream}: {reader.unknown}")
        else:
            _rewind(store, reader, reader.fork, applied)
            log.warning("reader_rewound", service=status.service, **_named(reader), why=reason)
    return status, applied


def ask(store: PostgresStore, reason: str) -> list[str]:
    """Have the worker bring back, as the actor, what was found to be lost; return the epochs."""
    with store.session() as session:
        asked = ask_for_recovery(session.cursor, context.current().actor, reason)
    if asked:
        log.warning("recovery_asked", service=store.service, why=reason)
    return asked


def wait_for_search(store: PostgresStore, progress: Callable[[str, int | None], Any]) -> None:
    """Wait until the worker has compared the log with the bus, and searched for what it has lost.

    That takes as long as it takes to read the stream. Raises Unavailable where it does not go on.
    """
    if _is_searched(store):
        return
    title = text("messages of {service}, compared with its log", service=store.service)
    with progress(title, None) as advance:
        ends, done = time.monotonic() + SEARCH_S, 0
        while not _is_searched(store):
            left = store.query(lambda session: recoveries(session.cursor, left=True))
            searched = sum(one.searched for one in left if one.found_at is None)
            if searched > done:
                advance(searched - done)
                ends, done = time.monotonic() + SEARCH_S, searched
            failures = {one.failure for one in left if one.failure and one.found_at is None}
            if failures or time.monotonic() > ends:
                raise _unsearched(store.service, failures)
            time.sleep(POLL_S)


def _is_searched(store: PostgresStore) -> bool:
    return store.query(lambda session: LostLog(session.cursor).is_searched())


def _unsearched(service: str, failures: Collection[str]) -> Unavailable:
    if failures:
        why = text(
            "The worker of {service} fails to find what was lost ({failures}; job_failed in its "
            "log).",
            service=service,
            failures=", ".join(failures),
        )
    else:
        why = text(
            "The worker of {service} has not compared the log with the bus yet: start it, and call "
            "this again.",
            service=service,
        )
    return Unavailable("log_not_searched", why)


def _rewind(store: PostgresStore, reader: ReaderShown, fork: int, applied: Applied) -> None:
    with store.session() as session:
        applied.quarantined += rewind(session.cursor, reader.upstream, reader.fork_epoch, fork)
    applied.readers[reader.upstream] = fork


def _named(reader: ReaderShown) -> dict[str, Any]:
    return {
        "upstream": reader.upstream,
        "epoch": reader.epoch,
        "position": reader.position,
        "fork": reader.fork,
    }


def _wait(
    store: PostgresStore, epochs: Sequence[str], progress: Callable[[str, int | None], Any]
) -> list[Recovery]:
    """Return the recoveries once the worker has brought back what was asked for."""
    ends, done = time.monotonic() + PATIENCE_S, 0
    with progress(text("recovering {service}", service=store.service), len(epochs)) as advance:
        while True:
            found = store.query(lambda session: recoveries(session.cursor))
            mine = [one for one in found if one.epoch in epochs]
            finished = sum(one.done_at is not None for one in mine)
            advance(finished - done)
            done = finished
            given_up = [one for one in mine if one.done_at is None and one.asked_at is None]
            if given_up or (done < len(epochs) and time.monotonic() > ends):
                raise _undone(store.service, [one for one in mine if one.done_at is None])
            if done == len(epochs):
                return mine
            time.sleep(POLL_S)


def _undone(service: str, left: Sequence[Recovery]) -> Unavailable:
    failures = sorted({one.failure for one in left if one.failure})
    if failures:
        why = text(
            "The worker of {service} has not brought everything back ({failures}; see its log). "
            "What is done stays done: call this again once that is mended.",
            service=service,
            failures=", ".join(failures),
        )
    else:
        why = text(
            "The worker of {service} has not brought everything back: it may not be running. "
            "What is done stays done: call this again once that is mended.",
            service=service,
        )
    return Unavailable("recovery_undone", why)
