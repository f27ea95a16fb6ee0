"""Replay of the log stream by stream: accounts, proposals and the book, each from its own events.

One stream is in memory at a time, so the memory of a replay does not grow with the log. A stream
that cannot be replayed is reported, not raised: an audit goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import tuple_row

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.book import BOOK_AGGREGATES, BOOK_STREAMS
from services.ledger.domain.double_entry import postings
from services.ledger.domain.events import PaymentPosted
from services.ledger.domain.proposal import PROPOSAL_TOPICS, Proposal
from services.ledger.replay.parallel import (
    BY_BLOCKS,
    REPORT_EVERY,
    Progress,
    Range,
    Shares,
    conninfo_of,
    last_position,
    over_ranges,
    stream_ranges,
)
from services.ledger.replay.sorted_log import sort_log, source_of
from services.ledger.tables.columns import posting_row
from shared.errors import ServiceError
from shared.eventstore import Aggregate
from shared.eventstore.arrays import uuids
from shared.eventstore.events import UnknownTopicError
from shared.eventstore.postgres import PostgresStore

R = TypeVar("R")

_IN_ORDER = " ORDER BY originator_id, originator_version"
_STREAMS_OF = (
    "SELECT originator_id, originator_version, notification_id, topic, state FROM events "
    "WHERE originator_id = ANY (%s) ORDER BY originator_id, originator_version"
)
_AS_BEFORE = "RESET enable_indexscan"
_AT_ONCE = 5_000
EVENTS_IN_A_RANGE = 10_000
"""How many events a range has, about: each has a snapshot, which holds back vacuum while it is
read, and its rows are in memory."""
SMALLEST_RANGES = 4
"""The least number of ranges, so that a few workers all have something to do."""

CANNOT_BE_REPLAYED = (
    msgspec.MsgspecError,
    UnknownTopicError,
    ServiceError,
    LookupError,
    TypeError,
    ValueError,
)
"""What the domain raises for events that it would not have written in this order."""


class Entry(NamedTuple):
    """An event as the log stores it."""

    version: int
    position: int
    topic: str
    state: bytes


class Difference(msgspec.Struct, frozen=True):
    """One disagreement: the account, the figure, and its value by each of the two sources."""

    account: str
    what: str
    replayed: str
    found: str


class Replayed(msgspec.Struct):
    """A replayed stream: its aggregate (an account, a proposal, or one of the book), the rows of
    its payments, and the differences found.

    ``broken``: the replay stopped before the end, so the aggregate means nothing.
    """

    aggregate: Any
    payments: list[dict[str, Any]]
    differences: list[Difference]
    broken: bool = False


def read_streams(
    connection: Any, part: Range, progress: Progress
) -> Iterator[tuple[UUID, list[Entry]]]:
    """Yield the streams of a range in the order of their ids, each with its events in order."""
    current, entries, count = None, list[Entry](), 0
    with connection.cursor(name="streams", row_factory=tuple_row) as cursor:
        cursor.itersize = _AT_ONCE
        query, parameters = source_of(part)
        connection.execute(BY_BLOCKS)
        cursor.execute(query + _IN_ORDER, parameters, binary=True)
        connection.execute(_AS_BEFORE)
        for id_, version, position, topic, state in cursor:
            if id_ != current:
                if entries:
                    yield current, entries  # type: ignore[misc]
                current, entries = id_, []
            entries.append(Entry(version, position, topic, state))
            count += 1
            if count % REPORT_EVERY == 0:
                progress(REPORT_EVERY)
    if entries:
        yield current, entries  # type: ignore[misc]
    progress(count % REPORT_EVERY)


def read_streams_of(connection: Any, ids: Sequence[UUID]) -> Iterator[tuple[UUID, list[Entry]]]:
    """Yield some streams in the order of their ids, each with its events in order."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_STREAMS_OF, (uuids(ids),), binary=True)
        for id_, rows in groupby(cursor, key=itemgetter(0)):
            yield id_, [Entry(*row[1:]) for row in rows]


def streams_of(connection: Any, ids: Sequence[UUID]) -> Iterator[tuple[UUID, list[Any]]]:
    """Yield some accounts with their decoded events; raises for an unknown one."""
    for id_, entries in read_streams_of(connection, ids):
        yield id_, [EVENTS.decode(entry.topic, entry.state) for entry in entries]


def account_streams(
    connection: Any, part: Range, progress: Progress
) -> Iterator[tuple[UUID, list[Any]]]:
    """Yield the accounts of a range with their decoded events; raises for an unknown one."""
    for id_, entries in read_streams(connection, part, progress):
        if id_ not in BOOK_STREAMS and entries[0].topic not in PROPOSAL_TOPICS:
            yield id_, [EVENTS.decode(entry.topic, entry.state) for entry in entries]


def over_streams(
    store: PostgresStore,
    work: Callable[[psycopg.Connection[Any], Range, Progress], R],
    progress: Progress,
    workers: int | None = None,
    beside: Sequence[Range] = (),
    sorting: Progress | None = None,
) -> Iterator[R]:
    """Yield the results of ``work`` for ranges that cover all streams; see over_ranges.

    ``beside`` are further ranges for it, of something else. With ``sorting`` the log is sorted
    before, see sorted_log, and it is called with the numbers of sorted events.
    """
    events = store.query(lambda session: last_position(session.cursor))
    ranges = stream_ranges(events // EVENTS_IN_A_RANGE + SMALLEST_RANGES)
    shares = sorting and Shares(ranges, sort_log, sorting)
    anybodys = [*beside, *(() if shares else ranges)]
    return over_ranges(
        work,
        conninfo_of(store),
        anybodys,
        events,
        progress,
        workers,
        parent_reads=True,
        shares=shares,
    )


def replay_stream(
    id_: UUID, entries: Sequence[Entry], sums: MutableMapping[str, int] | None = None
) -> Replayed:
    """Replay one stream; check its versions, its order in the log, and its postings.

    ``sums`` receives the postings of each event, for a trial balance.
    """
    aggregate = _aggregate(id_, entries[0].topic)
    replayed = Replayed(aggregate, [], [])
    position = 0
    for entry in entries:
        if entry.version != aggregate.version + 1:
            replayed.differences.append(
                Difference(
                    _name(aggregate),
                    "versions of a stream",
                    str(aggregate.version + 1),
                    str(entry.version),
                )
            )
            aggregate.version = entry.version - 1
        if entry.position <= position:
            replayed.differences.append(
                Difference(
                    _name(aggregate),
                    f"order of version {entry.version} in the log",
                    f"after {position}",
                    str(entry.position),
                )
            )
        position = entry.position
        if replayed.broken:
            aggregate.version += 1
            continue
        try:
            _replay(replayed, entry, sums)
        except CANNOT_BE_REPLAYED as error:
            replayed.differences.append(
                Difference(
                    _name(aggregate),
                    f"event at position {entry.position}",
                    "can be replayed",
                    f"{type(error).__name__}: {error}",
                )
            )
            replayed.broken = True
            aggregate.version = entry.version
    return replayed


def _replay(replayed: Replayed, entry: Entry, sums: MutableMapping[str, int] | None) -> None:
    aggregate = replayed.aggregate
    event: Any = EVENTS.decode(entry.topic, entry.state)
    if isinstance(aggregate, Account):
        number = getattr(event, "account", "")
        if entry.version == 1 and account_id(number) != aggregate.id:
            raise ValueError(f"the stream is not that of account {number}")
        if aggregate.version and number != aggregate.number:
            raise ValueError(f"it names account {number}")
        if isinstance(event, PaymentPosted):
            if event.payment_id in aggregate.payments:
                raise ValueError(f"payment {event.payment_id} is posted a second time")
            replayed.payments.append(posting_row(event.account, entry.position, event))
        if sums is not None:
            _add_postings(event, sums)
    aggregate.replay(event)
    if isinstance(aggregate, Account) and aggregate.advance and event.moved is not None:
        _check_advance(replayed, aggregate, entry)


def _check_advance(replayed: Replayed, account: Account, entry: Entry) -> None:
    """Report an advance beside an open debt: money is there, and a penalty may run."""
    if account.advance < 0 or account.stands_beside_a_debt:
        replayed.differences.append(
            Difference(
                account.number,
                f"advance beside a debt at position {entry.position}",
                "0",
                str(account.advance),
            )
        )


def _add_postings(event: Any, sums: MutableMapping[str, int]) -> None:
    total = 0
    for account, amount in postings(event):
        sums[account] += amount
        total += amount
    if total:
        raise ValueError(f"its postings add up to {total}")


def new_sums() -> defaultdict[str, int]:
    """Return an empty trial balance: book account -> kopecks."""
    return defaultdict(int)


def _aggregate(id_: UUID, first_topic: str) -> Aggregate:
    if id_ in BOOK_AGGREGATES:
        return BOOK_AGGREGATES[id_](id_)
    return Proposal(id_) if first_topic in PROPOSAL_TOPICS else Account(id_)


def _name(aggregate: Aggregate) -> str:
    return (aggregate.number if isinstance(aggregate, Account) else "") or str(aggregate.id)
