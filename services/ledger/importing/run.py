"""The run of an import: chunk after chunk, each with its own commit and journal entry.

While a chunk is being written, the next one is read and decided. A run that was killed at any
point resumes after the last committed chunk when the same file is imported again. While a relay
publishes the log, chunks are small, and each waits until there is little left to publish.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from services.ledger.importing.chunks import Chunk, chunks
from services.ledger.importing.groups import Entries, Entry, Refused
from services.ledger.importing.journal import WAIT_FOR_THE_LOG, Journal, Place, ResumePoint
from services.ledger.importing.kinds import Source
from services.ledger.importing.posting import Counts, Decided, Posting, strange_accounts, write
from services.ledger.importing.quarantine import Quarantine
from services.ledger.importing.repeats import Repeats
from services.ledger.tables.book_rules import hold_rules
from services.ledger.tables.closed_periods import closed_through
from shared import context
from shared.database import JOB_HOLDS_LOG
from shared.eventstore.append_lock import hold_log_for
from shared.eventstore.pacing import AT_ONCE, Pacing
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession
from shared.ids import NAMESPACE, derived_id

E = TypeVar("E", bound=Entry)
Progress = Callable[[int], None]
"""Called with the number of bytes that were done since the last call."""

COLLECT_EVERY = 50
REASONS = 10
"""Refused rows whose reasons a refusal of the whole file gives."""
WAITING_CHUNKS = 2
"""Chunks that are being written or wait for it, while the next one is decided."""
QUICK_TURN = 0.0005
"""Seconds after which the thread that decides yields to the one that writes. That one needs Python
only briefly, some dozen times a chunk; at the default of 5 ms the database would mostly wait."""


class PostChunk(msgspec.Struct, frozen=True, kw_only=True):
    """Post one chunk of a file; the digest names the file."""

    digest: str
    attempt: int
    chunk: int


class Posted(msgspec.Struct):
    """The outcome of a chunk, kept as the result of its command."""

    place: Place
    counts: Counts


class _ElsewhereError(Exception):
    """The chunk was posted before, and ended at another place: the run resumes from there."""


class _OutOfTurnError(Exception):
    """The previous chunk was not posted as it was read, so this one must not be either."""


class Run(Generic[E]):
    """One import of one file; ``reasons`` has those of the first refused rows of a trial."""

    def __init__(
        self,
        store: PostgresStore,
        source: Source,
        posting: Posting[E],
        quarantine: Path,
        repeats: Repeats,
        pacing: Pacing | None = None,
    ) -> None:
        self._store = store
        self._source = source
        self._posting = posting
        self._repeats = repeats
        self._pacing = pacing or Pacing(store)
        self.reasons: list[str] = []
        self._entries = Entries[E](source, posting.read)
        self.quarantine = Quarantine(source, quarantine)
        self.journal = Journal(store, source)

    def survey(self, progress: Progress) -> Counts:
        """Count the rows of the file, right or wrong, without the database."""
        counts = Counts()
        for chunk in self._chunks(None):
            for entry in chunk.entries:
                counts.post(entry)
            for refused in chunk.refused:
                counts.refuse(refused)
            self._note(chunk.refused)
            progress(chunk.offset - chunk.begin)
        return counts

    def check(self, resume: ResumePoint | None, progress: Progress) -> Counts:
        """Decide on the rest of the file, and write nothing but the quarantine file."""
        counts, length = Counts(), 0
        for chunk in self._chunks(resume):
            decided = self._decide(chunk)
            length = self.quarantine.put(length, [*chunk.refused, *decided.refused])
            self._note([*chunk.refused, *decided.refused])
            for refused in chunk.refused:
                decided.counts.refuse(refused)
            counts.add(decided.counts)
            progress(chunk.offset - chunk.begin)
        return counts

    def post(self, resume: ResumePoint | None, actor: str, progress: Progress) -> Counts:
        """Post the rest of the file; return the counts of the whole file."""
        while True:
            try:
                return self._post(resume, actor, progress)
            except _ElsewhereError:
                resume = self.journal.resume_point()

    def _post(self, resume: ResumePoint | None, actor: str, progress: Progress) -> Counts:
        counts = _copied(resume.counts) if resume else Counts()
        writer = _Writer(
            self._store, self._posting, self.quarantine, self.journal, self._pacing, resume, actor
        )
        ahead = deque[tuple[Chunk[E], Future[Posted]]]()
        with ThreadPoolExecutor(1, "import") as pool, _two_threads() as collect:
            for chunk in self._chunks(resume, self._entries_at_once()):
                if any(_share_accounts(earlier, chunk) for earlier, _ in ahead):
                    while ahead:
                        counts.add(_done(*ahead.popleft(), progress))
                decided = self._store.query(self._decision(chunk))
                while len(ahead) >= WAITING_CHUNKS:
                    counts.add(_done(*ahead.popleft(), progress))
                self._source.check_unchanged()
                ahead.append((chunk, pool.submit(writer.write, chunk, decided)))
                collect(chunk.number)
            while ahead:
                counts.add(_done(*ahead.popleft(), progress))
        return counts

    def _note(self, refused: Iterable[Refused]) -> None:
        for one in sorted(refused, key=lambda rows: rows.row):
            rows = one.reasons or {one.row: one.reason}
            left = REASONS - len(self.reasons)
            self.reasons += [f"row {row}: {why}" for row, why in list(rows.items())[:left]]

    def _entries_at_once(self) -> int:
        """Return how many entries of a chunk are posted while somebody may publish them."""
        at_once = self._posting.at_once
        return min(at_once, AT_ONCE) if self._pacing.is_followed() else at_once

    def _chunks(self, resume: ResumePoint | None, at_once: int | None = None) -> Iterator[Chunk[E]]:
        source, number = self._source, 0
        offset, row = source.start, source.row
        if resume and resume.place:
            number, offset, row = resume.place.chunk + 1, resume.place.offset, resume.place.row
        most = at_once or self._posting.at_once
        for chunk in chunks(self._entries, most, number, offset, row):
            self._refuse_repeated(chunk)
            yield chunk

    def _decision(self, chunk: Chunk[E]) -> Callable[[PostgresSession], Decided[E]]:
        return lambda session: self._posting.decide(session.cursor, chunk.entries)

    def _decide(self, chunk: Chunk[E]) -> Decided[E]:
        def decide(session: PostgresSession) -> Decided[E]:
            decided = self._posting.decide(session.cursor, chunk.entries)
            self._posting.refuse_repeated(session.cursor, decided)
            return decided

        return self._store.query(decide)

    def _refuse_repeated(self, chunk: Chunk[E]) -> None:
        alone = []
        for entry in chunk.entries:
            if refused := self._repeats.refused(entry, self._posting.name_of(entry)):
                chunk.refused.append(refused)
            else:
                alone.append(entry)
        chunk.entries[:] = alone


class _Writer(Generic[E]):
    """Writes chunks one after another; used by one thread."""

    def __init__(
        self,
        store: PostgresStore,
        posting: Posting[E],
        quarantine: Quarantine,
        journal: Journal,
        pacing: Pacing,
        resume: ResumePoint | None,
        actor: str,
    ) -> None:
        self._store = store
        self._posting = posting
        self._quarantine = quarantine
        self._journal = journal
        self._pacing = pacing
        self._attempt = resume.attempt if resume else 1
        self._length = resume.place.quarantine_bytes if resume and resume.place else 0
        self._actor = actor
        self._turn = resume.place.chunk + 1 if resume and resume.place else 0

    def write(self, chunk: Chunk[E], decided: Decided[E]) -> Posted:
        """Write a chunk exactly once; a decision overtaken by others is made again.

        The next run resumes after the last chunk of the journal, so a chunk is never written after
        one that failed.
        """
        if chunk.number != self._turn:
            raise _OutOfTurnError
        self._pacing.wait()
        digest = self._journal.digest
        command = PostChunk(digest=digest, attempt=self._attempt, chunk=chunk.number)
        command_id = derived_id(
            NAMESPACE, "ledger.import", digest, str(self._attempt), str(chunk.number)
        )
        ahead = [decided]

        def post_chunk(session: PostgresSession, _: PostChunk) -> Any:
            cursor = session.cursor
            cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_THE_LOG}'")
            hold_log_for(cursor, JOB_HOLDS_LOG)
            made = ahead.pop() if ahead else self._posting.decide(cursor, chunk.entries)
            if made.closed != closed_through(cursor) or _are_lost(cursor, made.opened):
                hold_rules(cursor)  # nobody may have held them yet
                made = self._posting.decide(cursor, chunk.entries)
            write(session, made)
            self._posting.refuse_repeated(cursor, made)
            for refused in chunk.refused:
                made.counts.refuse(refused)
            length = self._quarantine.put(self._length, [*chunk.refused, *made.refused])
            posted = Posted(Place(chunk.number, chunk.offset, chunk.row, length), made.counts)
            self._journal.keep(cursor, command_id, posted.place, posted.counts)
            return msgspec.to_builtins(posted)

        correlation = f"import-{digest[:16]}"
        with context.bind(actor=self._actor, command_id=command_id, correlation_id=correlation):
            posted = msgspec.convert(self._store.execute(post_chunk, command), Posted)
        self._length = posted.place.quarantine_bytes
        if posted.place.offset == chunk.offset:
            self._turn += 1
        return posted


def _are_lost(cursor: Any, opened: Collection[str]) -> bool:
    """Return whether accounts that are to be opened are another book's by now; or hold them."""
    return bool(opened) and hold_rules(cursor) and bool(strange_accounts(cursor, opened))


def _copied(counts: Counts) -> Counts:
    return msgspec.convert(msgspec.to_builtins(counts), Counts)


def _done(chunk: Chunk[Any], writing: Future[Posted], progress: Progress) -> Counts:
    posted = writing.result()
    if posted.place.offset != chunk.offset:
        raise _ElsewhereError
    progress(chunk.offset - chunk.begin)
    return posted.counts


def _share_accounts(one: Chunk[Any], other: Chunk[Any]) -> bool:
    accounts = {entry.account for entry in one.entries}
    return not accounts.isdisjoint(entry.account for entry in other.entries)


@contextmanager
def _two_threads() -> Iterator[Callable[[int], None]]:
    """Switch quickly to the thread that writes, and collect garbage only now and then.

    Python would scan a hundred thousand lines that are still needed, and the run itself makes no
    cycles. Yields the function that collects every ``COLLECT_EVERY`` chunks.
    """

    def collect(number: int) -> None:
        if number % COLLECT_EVERY == COLLECT_EVERY - 1:
            gc.collect()

    was_enabled, turn = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(QUICK_TURN)
    try:
        yield collect
    finally:
        sys.setswitchinterval(turn)
        if was_enabled:
            gc.enable()
