"""The published history of a service in pages: for whoever has missed events, and over HTTP."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from shared.bus.disclosure import without_persons
from shared.bus.epochs import LogHistory, read_history
from shared.bus.messages import POSITION_HEADER, TYPE_HEADER, Envelope, Publish
from shared.bus.relay import published_of
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore

MAX_PAGE_BYTES = 4 * 2**20
"""A page is one message of the bus, and one reply in memory."""
SCANNED = 1000
"""Events of the log that are read for a page of some types."""
_HEADER_BYTES = 600
"""What the headers of an event take, about."""


class Page(NamedTuple):
    """A part of the history: ``position`` is the last one that was read for it.

    ``published`` is the position of the last published event up to there. With ``more`` the log may
    go on at once; without it, it ended there. ``history`` is that of the log when it was read.
    """

    envelopes: list[Envelope]
    position: int
    published: int
    more: bool
    history: LogHistory


def page_after(
    store: PostgresStore,
    publish: Publish,
    after: int,
    predecessor: int,
    *,
    limit: int,
    types: Collection[str] | None = None,
    persons: bool = True,
    max_bytes: int = MAX_PAGE_BYTES,
    epoch: str = "",
) -> Page:
    """Return up to ``limit`` published events after a position of the log.

    ``predecessor`` is the last published position up to ``after``. With ``types`` only these are
    returned, out of a bounded part of the log, so that a page may be empty though there is more.
    The versions of one event count as one and stay together. Without ``persons`` identifiers of
    persons are left out. A page ends where it would be larger than ``max_bytes``, but not before
    its first event.

    ``epoch`` is that of ``after``, where the reader knows it. Raises Conflict
    ``position_not_in_log`` for one that does not fit, and Unavailable ``log_not_confirmed``, and
    before an event that only a newer version knows.
    """
    rows = limit if types is None else max(limit, SCANNED)
    with store.transaction() as cursor:
        history = read_history(cursor)
        if epoch:
            check_place(history, epoch, after)
        read = store.recorder.after(cursor, after, rows)
    if read:  # the log may have grown between the two statements
        history = history.reaching(read[-1].id)
    envelopes, position, published = published_of(store, publish, history, read, after, predecessor)
    chosen: list[Envelope] = []
    events, room, before = 0, max_bytes, predecessor
    for reached, versions in groupby(envelopes, lambda one: int(one.headers[POSITION_HEADER])):
        shown = [
            envelope if persons else without_persons(store.service, envelope)
            for envelope in versions
            if types is None or envelope.headers[TYPE_HEADER] in types
        ]
        if shown:
            room -= sum(len(one.body) + _HEADER_BYTES for one in shown)
            if chosen and (room < 0 or events == limit):
                return Page(chosen, reached - 1, before, more=True, history=history)
            chosen += shown
            events += 1
        before = reached
    # It may end before an event that only a newer version knows.
    more = position - after >= rows or (bool(read) and position < read[-1].id)
    return Page(chosen, position, published, more=more, history=history)


def end_of(store: PostgresStore, since: datetime | None = None) -> int:
    """Return the last position of the log, or the last one before an instant; 0: there is none.

    Raises Unavailable ``log_not_confirmed``.
    """
    with store.transaction() as cursor:
        history = read_history(cursor)
        if since is not None:
            return store.recorder.position_before(cursor, since)
        return history.head


def history_of(store: PostgresStore) -> LogHistory:
    """Return the epochs of the log and its end. Raises Unavailable ``log_not_confirmed``."""
    with store.transaction() as cursor:
        return read_history(cursor)


def check_place(history: LogHistory, epoch: str, position: int) -> None:
    """Raise Conflict ``position_not_in_log`` for a reader that does not fit."""
    if history.fits(epoch, position):
        return
    fork, current = history.fork_of(epoch, position), history.current
    if history.end_of(epoch) is None:
        advice = "compare what you have with the log from its beginning"
    else:
        advice = f"undo what you have of later events of that epoch, and continue after {fork}"
    raise Conflict(
        "position_not_in_log",
        f"Position {position} of epoch {epoch} is not in the log, which lost its end in a failover "
        f"or a restore and is now in epoch {current.name}: {advice}.",
        epoch=epoch,
        position=position,
        fork=fork,
        fork_epoch=history.epoch_at(fork).name,
        current=current.name,
        head=history.head,
    )
