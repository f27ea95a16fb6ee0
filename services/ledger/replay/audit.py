"""The audit: three independent checks of every balance.

The domain replay in Python, the aggregation in SQL, and the read model must agree. The audit also
checks the log itself: positions and versions without gaps, times that never go back, commands at
their recorded positions, a trial balance of zero, and each payment posted once, where
``payment_postings`` has it (:mod:`services.ledger.replay.log_checks`). A history rewritten
consistently everywhere is found by the seal (:mod:`services.ledger.seal`).

It reads in ranges, each in a snapshot of its own: an account's last event and its row are of one
instant, and neither memory nor the age of the oldest snapshot grows with the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from services.ledger.domain import Account
from services.ledger.domain.double_entry import ADVANCES, PENALTY
from services.ledger.replay.comparison import deviations, in_batches, orphan_rows
from services.ledger.replay.log_checks import check_log
from services.ledger.replay.parallel import (
    Progress,
    Range,
    conninfo_of,
    opened_connection,
    quiet,
)
from services.ledger.replay.sql_balances import aggregate
from services.ledger.replay.streams import (
    Difference,
    Replayed,
    new_sums,
    over_streams,
    read_streams,
    replay_stream,
)
from shared.eventstore.postgres import PostgresStore

__all__ = ["Difference", "Report", "audit"]

_FIGURES = ("version", "last_bill", "principal", "penalty", "advance")
LISTED = 1_000
"""How many differences of a range, and of the whole, are listed; the others are counted."""


class Report(msgspec.Struct, frozen=True):
    """What an audit has covered and found; ``trial_balance`` in kopecks.

    ``unlisted`` is the number of differences beyond those that are listed.
    """

    accounts: int
    events: int
    differences: list[Difference]
    trial_balance: dict[str, int] = {}
    unlisted: int = 0


class _Part(msgspec.Struct):
    """The result for a range of streams, or for several; sums of the balances in kopecks."""

    accounts: int = 0
    events: int = 0
    principal: int = 0
    penalty: int = 0
    advance: int = 0
    broken: int = 0
    postings: dict[str, int] = msgspec.field(default_factory=new_sums)
    differences: list[Difference] = msgspec.field(default_factory=list)
    unlisted: int = 0

    def note(self, differences: Iterable[Difference]) -> None:
        """List differences, or count them."""
        for difference in differences:
            if len(self.differences) < LISTED:
                self.differences.append(difference)
            else:
                self.unlisted += 1

    def add(self, other: _Part) -> None:
        """Add the result for another range."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for account, amount in other.postings.items():
            self.postings[account] += amount
        self.note(other.differences)


_COUNTS = ("accounts", "events", "principal", "penalty", "advance", "broken", "unlisted")


def audit(
    store: PostgresStore,
    progress: Progress = quiet,
    *,
    workers: int | None = None,
    sorting: Progress | None = None,
) -> Report:
    """Compare replay, SQL and read model account by account, on all cores.

    With ``sorting`` the log is sorted by streams before; it is called with the numbers of sorted
    events.
    """
    total, read = _Part(), 0

    def advance(count: int) -> None:
        nonlocal read
        read += count
        progress(count)

    with opened_connection(conninfo_of(store)) as connection:
        total.note(check_log(connection.cursor()))
        logged = _count_events(connection.cursor())
    for part in over_streams(store, audit_range, advance, workers, sorting=sorting):
        total.add(part)
    if read < logged:
        total.note([Difference("", "events of the log", str(read), str(logged))])
    total.note(_check_trial_balance(total))
    return Report(
        total.accounts,
        total.events,
        total.differences,
        dict(sorted(total.postings.items())),
        total.unlisted,
    )


def audit_range(connection: psycopg.Connection[Any], part: Range, progress: Progress) -> _Part:
    """Compare replay, SQL and read model for the streams of one range, in one snapshot."""
    found = _Part()
    replayed: dict[UUID, dict[str, Any]] = {}
    broken: list[UUID] = []
    cursor = connection.cursor()
    streams = (
        replay_stream(id_, entries, found.postings)
        for id_, entries in read_streams(connection, part, progress)
    )
    for batch in in_batches(streams):
        for stream in batch:
            found.note(stream.differences)
            if stream.broken:
                broken.append(stream.aggregate.id)
            _count(stream, found, replayed)
        for deviation in deviations(cursor, batch):
            found.note(deviation.differences())
    for deviation in orphan_rows(cursor, part):
        found.note(deviation.differences())
    found.note(_compare_with_sql(connection, part, replayed, broken))
    found.broken = len(broken)
    found.postings = dict(found.postings)
    return found


def _count_events(cursor: Any) -> int:
    """Return how many events there are: whatever a replay reads them from, it reads as many."""
    row = cursor.execute("SELECT count(*) AS count FROM events").fetchone()
    return int(row["count"])


def _count(stream: Replayed, found: _Part, replayed: dict[UUID, dict[str, Any]]) -> None:
    found.events += stream.aggregate.version
    account = stream.aggregate
    if not isinstance(account, Account):
        return
    found.accounts += 1
    if stream.broken:
        return
    replayed[account.id] = {
        "number": account.number,
        **{name: getattr(account, name) for name in _FIGURES},
    }
    found.principal += account.principal
    found.penalty += account.penalty
    found.advance += account.advance


def _compare_with_sql(
    connection: psycopg.Connection[Any],
    part: Range,
    replayed: dict[UUID, dict[str, Any]],
    broken: Sequence[UUID],
) -> Iterator[Difference]:
    try:
        with connection.transaction(), connection.cursor() as cursor:
            summed = aggregate(cursor, part, broken)
    except psycopg.DataError as error:
        streams = f"streams {part.first} to {part.last}"
        yield Difference("", f"{streams} (SQL)", "can be added up", str(error).splitlines()[0])
        return
    for id_ in replayed.keys() | summed.keys():
        one, other = replayed.get(id_), summed.get(id_)
        for name in _FIGURES:
            expected, found = one and one[name], other and other[name]
            if expected != found:
                number = one["number"] if one else str(id_)
                yield Difference(
                    number, f"{name.replace('_', ' ')} (SQL)", str(expected), str(found)
                )


def _check_trial_balance(total: _Part) -> Iterator[Difference]:
    """Yield what is wrong: the books must add up to zero, and agree with what accounts owe."""
    postings = total.postings
    if left := sum(postings.values()):
        yield Difference("", "trial balance", "0", str(left))
    if total.broken:
        return  # an account that cannot be replayed is in one sum and not in the other
    services = sum(
        amount
        for account, amount in postings.items()
        if account.startswith("receivable:") and account != PENALTY
    )
    for what, books, accounts in (
        ("receivables", services, total.principal),
        ("penalties", postings.get(PENALTY, 0), total.penalty),
        ("advances", -postings.get(ADVANCES, 0), total.advance),
    ):
        if accounts != books:
            yield Difference("", f"{what} in the trial balance", str(accounts), str(books))
