"""The published history of a service in pages: for whoever has missed events, and over HTTP."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from shared.bus.disclosure import without_persons
from shared.bus.messages import POSITION_HEADER, TYPE_HEADER, Envelope
from shared.bus.relay import Publish, published_after
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
    go on at once; without it, it ended there.
    """

    envelopes: list[Envelope]
    position: int
    published: int
    more: bool


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
) -> Page:
    """Return up to ``limit`` published events after a position of the log.

    ``predecessor`` is the last published position up to ``after``. With ``types`` only these are
    returned, out of a bounded part of the log, so that a page may be empty though there is more.
    The versions of one event count as one and stay together. Without ``persons`` identifiers of
    persons are left out. A page ends where it would be larger than ``max_bytes``, but not before
    its first event.
    """
    rows = limit if types is None else max(limit, SCANNED)
    envelopes, position, published = published_after(store, publish, after, rows, predecessor)
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
                return Page(chosen, reached - 1, before, more=True)
            chosen += shown
            events += 1
        before = reached
    return Page(chosen, position, published, more=position - after >= rows)


def end_of(store: PostgresStore, since: datetime | None = None) -> int:
    """Return the last position of the log, or the last one before an instant; 0: there is none."""
    with store.transaction() as cursor:
        if since is not None:
            return store.recorder.position_before(cursor, since)
        row = cursor.execute("SELECT max(notification_id) AS last FROM events").fetchone()
        return int(row["last"] or 0)
