"""What decides for the whole book: months closed, files imported, penalties accrued.

Each subject has one stream in the ledger's log, beside those of the accounts, so that it is sealed,
published and rebuilt as they are, and two that decide at the same time conflict. The streams have
fixed ids: whoever rebuilds or audits finds them without a search.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from shared.errors import Conflict
from shared.eventstore import Aggregate, Event
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks


def book_stream(subject: str, book: str = "main") -> UUID:
    """Return the id of a book's stream about one subject."""
    return derived_id(NAMESPACE, "ledger.book", book, subject)


CLOSINGS = book_stream("closings")
IMPORTS = book_stream("imports")
ACCRUALS = book_stream("accruals")
COMMANDS = book_stream("commands")
CHECKPOINTS = book_stream("checkpoints")
RESTORES = book_stream("restores")

BOOK_STREAMS = frozenset({CLOSINGS, IMPORTS, ACCRUALS, COMMANDS, CHECKPOINTS, RESTORES})
"""The streams that are neither an account's nor a proposal's."""


class MonthClosed(Event, frozen=True):
    """A month and all before it are closed, permanently.

    ``closed_at``: for one that was closed before closings were events, when it was.
    """

    topic: ClassVar[str] = "ledger.month_closed.v1"

    period: str
    by: str
    reason: str
    closed_at: datetime | None = None


class ImportBegun(Event, frozen=True):
    """A file is being imported; ``digest`` is the SHA-256 of its content, ``size`` in bytes.

    ``attempt`` counts from 1; the next one follows an import that posted nothing. ``begun_at``:
    for one that began before imports were events, when it did.
    """

    topic: ClassVar[str] = "ledger.import_begun.v1"

    digest: str
    kind: str
    file_name: str
    size: int
    by: str
    reason: str
    attempt: int = 1
    begun_at: datetime | None = None


class ImportFinished(Event, frozen=True):
    """A file is imported: importing it again has no effect.

    Its events are among the positions ``first_position`` to ``last_position``, None without any.
    ``chunks_digest`` covers the rows of its chunks: see :mod:`services.ledger.tables.book_rows`.
    ``finished_at`` is as ``begun_at`` of :class:`ImportBegun`.
    """

    topic: ClassVar[str] = "ledger.import_finished.v1"

    digest: str
    attempt: int
    entries: int
    refused_rows: int
    first_position: int | None
    last_position: int | None
    chunks: int
    chunks_digest: str
    finished_at: datetime | None = None


class ImportRefused(Event, frozen=True):
    """All rows of a file were refused, and nothing is posted: it may be imported again."""

    topic: ClassVar[str] = "ledger.import_refused.v1"

    digest: str
    attempt: int
    refused_rows: int


class AccrualBegun(Event, frozen=True):
    """The penalties of all accounts are being accrued through a day, by a version of the rules."""

    topic: ClassVar[str] = "ledger.accrual_begun.v1"

    run_id: UUID
    on: date
    rules: str
    by: str
    reason: str


class AccrualFinished(Event, frozen=True):
    """The penalties of all accounts are accrued through a day.

    ``accounts`` were covered and ``changed`` of them got an event; ``refused`` are those that the
    rules do not cover. ``added`` and ``taken_back`` are kopecks.
    """

    topic: ClassVar[str] = "ledger.accrual_finished.v1"

    run_id: UUID
    on: date
    rules: str
    accounts: int
    changed: int
    added: Kopecks
    taken_back: Kopecks
    refused: int


class CommandsDigested(Event, frozen=True):
    """The digest of rows of the table ``commands``, so that the seal covers them too.

    ``digest`` is over the ``count`` commands whose last event is at the positions after ``after``
    through ``through``. ``idle_digest`` is over the ``idle_count`` commands without an event that
    were recorded after ``idle_after`` through ``idle_through``.
    """

    topic: ClassVar[str] = "ledger.commands_digested.v1"

    after: int
    through: int
    count: int
    digest: str
    idle_after: datetime
    idle_through: datetime
    idle_count: int
    idle_digest: str


class CommandsExpired(Event, frozen=True):
    """The commands that the digest at a position of the log covers have been deleted."""

    topic: ClassVar[str] = "ledger.commands_expired.v1"

    digest_position: int
    count: int


class CheckpointsThinned(Event, frozen=True):
    """All checkpoints of a day (UTC) but its last have been deleted.

    They had the numbers from ``first_number`` and the sizes from ``first_size``; ``digest`` is the
    SHA-256 over those of their notes, in order.
    """

    topic: ClassVar[str] = "ledger.checkpoints_thinned.v1"

    day: date
    first_number: int
    last_number: int
    first_size: int
    last_size: int
    digest: str


class LogRestored(Event, frozen=True):
    """The log goes on after a position in a new epoch: what followed there before is lost.

    ``lost`` is how many published events that were, None where nobody knows. Checkpoints of more
    than ``after`` events that were signed before are of the line that has ended.
    """

    topic: ClassVar[str] = "ledger.log_restored.v1"

    epoch: str
    after: int
    lost: int | None
    by: str


BOOK_EVENTS: tuple[type[Event], ...] = (
    MonthClosed,
    ImportBegun,
    ImportFinished,
    ImportRefused,
    AccrualBegun,
    AccrualFinished,
    CommandsDigested,
    CommandsExpired,
    CheckpointsThinned,
    LogRestored,
)


class ClosedMonths(Aggregate):
    """The closed months of a book; ``last`` is the last of them, empty before the first."""

    def __init__(self, id: UUID = CLOSINGS) -> None:
        super().__init__(id)
        self.last = ""

    def close(self, period: str, by: str, reason: str) -> None:
        """Close a month and all before it; raises as ``check_open``."""
        self.check_open(period)
        self.trigger(MonthClosed(period=period, by=by, reason=reason))

    def check_open(self, period: str) -> None:
        """Raise Conflict ``period_closed`` when a month is closed."""
        if period <= self.last:
            raise Conflict("period_closed", f"{period} is closed already: through {self.last}.")

    def apply(self, event: Any) -> None:
        """Change the state by one event."""
        match event:
            case MonthClosed():
                self.last = event.period
            case _:
                raise TypeError(f"not an event of closings: {type(event).__name__}")


class Imports(Aggregate):
    """The imports of a book: the last event of each file, by its digest."""

    def __init__(self, id: UUID = IMPORTS) -> None:
        super().__init__(id)
        self.last: dict[str, ImportBegun | ImportFinished | ImportRefused] = {}

    def begin(
        self, digest: str, kind: str, file_name: str, size: int, by: str, reason: str
    ) -> None:
        """Begin to import a file; no effect while it is being imported or once it is."""
        before = self.last.get(digest)
        if isinstance(before, ImportBegun | ImportFinished):
            return
        self.trigger(
            ImportBegun(
                digest=digest,
                kind=kind,
                file_name=file_name,
                size=size,
                by=by,
                reason=reason,
                attempt=before.attempt + 1 if before else 1,
            )
        )

    def finish(
        self,
        digest: str,
        entries: int,
        refused_rows: int,
        positions: tuple[int | None, int | None],
        chunks: tuple[int, str],
    ) -> None:
        """Finish an import that was begun; no effect on one that is finished.

        ``positions`` are the first and the last of its events, ``chunks`` their number and digest.
        """
        if isinstance(begun := self.last.get(digest), ImportBegun):
            self.trigger(
                ImportFinished(
                    digest=digest,
                    attempt=begun.attempt,
                    entries=entries,
                    refused_rows=refused_rows,
                    first_position=positions[0],
                    last_position=positions[1],
                    chunks=chunks[0],
                    chunks_digest=chunks[1],
                )
            )

    def refuse(self, digest: str, refused_rows: int) -> None:
        """Give up an import of which nothing could be posted."""
        if isinstance(begun := self.last.get(digest), ImportBegun):
            self.trigger(
                ImportRefused(digest=digest, attempt=begun.attempt, refused_rows=refused_rows)
            )

    def apply(self, event: Any) -> None:
        """Change the state by one event."""
        match event:
            case ImportBegun() | ImportFinished() | ImportRefused():
                self.last[event.digest] = event
            case _:
                raise TypeError(f"not an event of imports: {type(event).__name__}")


class Accruals(Aggregate):
    """The accrual runs of a book."""

    def __init__(self, id: UUID = ACCRUALS) -> None:
        super().__init__(id)

    def begin(self, begun: AccrualBegun) -> None:
        """Note that a run begins."""
        self.trigger(begun)

    def finish(self, finished: AccrualFinished) -> None:
        """Note the result of a run."""
        self.trigger(finished)

    def apply(self, event: Any) -> None:
        """Check that the event is one of this stream."""
        if not isinstance(event, AccrualBegun | AccrualFinished):
            raise TypeError(f"not an event of accruals: {type(event).__name__}")


class CommandDigests(Aggregate):
    """The digests of a book's commands; the stream is appended to without being loaded."""

    def __init__(self, id: UUID = COMMANDS) -> None:
        super().__init__(id)

    def apply(self, event: Any) -> None:
        """Check that the event is one of this stream."""
        if not isinstance(event, CommandsDigested | CommandsExpired):
            raise TypeError(f"not an event of command digests: {type(event).__name__}")


class ThinnedCheckpoints(Aggregate):
    """The days whose checkpoints have been thinned."""

    def __init__(self, id: UUID = CHECKPOINTS) -> None:
        super().__init__(id)

    def thin(self, thinned: CheckpointsThinned) -> None:
        """Note that the checkpoints of a day have been thinned."""
        self.trigger(thinned)

    def apply(self, event: Any) -> None:
        """Check that the event is one of this stream."""
        if not isinstance(event, CheckpointsThinned):
            raise TypeError(f"not an event of checkpoints: {type(event).__name__}")


class Restores(Aggregate):
    """The epochs of the log that its own events speak of."""

    def __init__(self, id: UUID = RESTORES) -> None:
        super().__init__(id)
        self.epochs: set[str] = set()

    def record(self, restored: LogRestored) -> None:
        """Note that a new epoch has begun; no effect on one that is noted."""
        if restored.epoch not in self.epochs:
            self.trigger(restored)

    def apply(self, event: Any) -> None:
        """Change the state by one event."""
        if not isinstance(event, LogRestored):
            raise TypeError(f"not an event of restores: {type(event).__name__}")
        self.epochs.add(event.epoch)


BOOK_AGGREGATES: dict[UUID, type[Aggregate]] = {
    CLOSINGS: ClosedMonths,
    IMPORTS: Imports,
    ACCRUALS: Accruals,
    COMMANDS: CommandDigests,
    CHECKPOINTS: ThinnedCheckpoints,
    RESTORES: Restores,
}
"""Stream -> its aggregate."""
