"""The run of an import: chunk after chunk, each with its own commit and its line in the journal.

While a chunk is being written, the next one is read and decided. A run that was killed at any
point goes on after the last chunk that was committed, when the same file is imported again.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from services.ledger.importing.chunks import Chunk, Seen, chunks
from services.ledger.importing.groups import Entries, Entry, Refused
from services.ledger.importing.journal import Journal, Past, Place
from services.ledger.importing.posting import Counts, Decided, Posting, write
from services.ledger.importing.quarantine import Quarantine
from services.ledger.importing.source import Source
from services.ledger.tables.closed_periods import closed_through
from shared import context
from shared.eventstore.postgres import PostgresSession, PostgresStore
from shared.ids import NAMESPACE, derived_id

E = TypeVar("E", bound=Entry)
Progress = Callable[[int], None]
"""Takes how many more bytes of the file are done."""

WAIT_FOR_THE_LOG = "60s"
"""How long a chunk waits for the turn to append: another bulk job may hold it."""
COLLECT_EVERY = 50
WAITING_CHUNKS = 2
"""Chunks that are written, or wait for it, while the next one is decided."""
QUICK_TURN = 0.0005
"""Seconds after which the deciding thread lets the writing one in, which asks for a moment only,
some dozen times a chunk: at Python's own 5 ms the database would wait for it most of the time."""


class PostChunk(msgspec.Struct, frozen=True, kw_only=True):
    """Post a part of a file, which its digest names."""

    digest: str
    attempt: int
    chunk: int


class Posted(msgspec.Struct):
    """What became of a chunk: the answer that its command keeps."""

    place: Place
    counts: Counts


class _ElsewhereError(Exception):
    """The chunk was posted before, and ended at another place: the run starts again from there."""


class _OutOfTurnError(Exception):
    """The chunk before was not posted as it was read, so this one must not be either."""


class Run(Generic[E]):
    """One import of one file."""

    def __init__(
        self, store: PostgresStore, source: Source, posting: Posting[E], quarantine: Path
    ) -> None:
        self._store = store
        self._source = source
        self._posting = posting
        self._entries = Entries[E](source, posting.read)
        self.quarantine = Quarantine(source, quarantine)
        self.journal = Journal(store, source)

    def survey(self, progress: Progress) -> Counts:
        """Count what the file says, right or wrong, without asking the database."""
        counts = Counts()
        for chunk in self._chunks(None):
            for entry in chunk.entries:
                counts.post(entry)
            for refused in chunk.refused:
                counts.refuse(refused)
            progress(chunk.offset - chunk.begin)
        return counts

    def check(self, past: Past | None, progress: Progress) -> Counts:
        """Decide on what is left of the file, and write nothing but the quarantine file."""
        counts, length = Counts(), 0
        with closing(Seen()) as seen:
            for chunk in self._chunks(past):
                self._refuse_repeated(chunk, seen)
                decided = self._decide(chunk)
                length = self.quarantine.put(length, [*chunk.refused, *decided.refused])
                for refused in chunk.refused:
                    decided.counts.refuse(refused)
                counts.add(decided.counts)
                progress(chunk.offset - chunk.begin)
        return counts

    def post(self, past: Past | None, actor: str, progress: Progress) -> Counts:
        """Post what is left of the file; answer what became of all of it."""
        while True:
            try:
                return self._post(past, actor, progress)
            except _ElsewhereError:
                past = self.journal.past()

    def _post(self, past: Past | None, actor: str, progress: Progress) -> Counts:
        counts = msgspec.convert(msgspec.to_builtins(past.counts), Counts) if past else Counts()
        writer = _Writer(self._store, self._posting, self.quarantine, self.journal, past, actor)
        ahead = deque[tuple[Chunk[E], Future[Posted]]]()
        with ThreadPoolExecutor(1, "import") as pool, _two_threads() as collect:
            for chunk in self._chunks(past):
                if any(_share_accounts(earlier, chunk) for earlier, _ in ahead):
                    while ahead:
                        counts.add(_done(*ahead.popleft(), progress))
                decided = self._store.query(self._deciding(chunk))
                while len(ahead) >= WAITING_CHUNKS:
                    counts.add(_done(*ahead.popleft(), progress))
                self._source.check_unchanged()
                ahead.append((chunk, pool.submit(writer.write, chunk, decided)))
                collect(chunk.number)
            while ahead:
                counts.add(_done(*ahead.popleft(), progress))
        return counts

    def _chunks(self, past: Past | None) -> Iterator[Chunk[E]]:
        at_once, source = self._posting.at_once, self._source
        if past is None or past.place is None:
            return chunks(self._entries, at_once, 0, source.start, source.row)
        place = past.place
        return chunks(self._entries, at_once, place.chunk + 1, place.offset, place.row)

    def _deciding(self, chunk: Chunk[E]) -> Callable[[PostgresSession], Decided[E]]:
        return lambda session: self._posting.decide(session.cursor, chunk.entries)

    def _decide(self, chunk: Chunk[E]) -> Decided[E]:
        def decide(session: PostgresSession) -> Decided[E]:
            decided = self._posting.decide(session.cursor, chunk.entries)
            self._posting.settle(session.cursor, decided)
            return decided

        return self._store.query(decide)

    def _refuse_repeated(self, chunk: Chunk[E], seen: Seen) -> None:
        # What is not written is not found in the ledger when it comes a second time.
        fresh = []
        for entry in chunk.entries:
            if seen.is_new(self._posting.name_of(entry)):
                fresh.append(entry)
            else:
                reason = "the file has another entry of the same name before"
                chunk.refused.append(Refused.because(entry, "twice_in_file", reason))
        chunk.entries[:] = fresh


class _Writer(Generic[E]):
    """Writes chunks one after another; used by one thread."""

    def __init__(
        self,
        store: PostgresStore,
        posting: Posting[E],
        quarantine: Quarantine,
        journal: Journal,
        past: Past | None,
        actor: str,
    ) -> None:
        self._store = store
        self._posting = posting
        self._quarantine = quarantine
        self._journal = journal
        self._attempt = past.attempt if past else 1
        self._length = past.place.quarantine_bytes if past and past.place else 0
        self._actor = actor
        self._turn = past.place.chunk + 1 if past and past.place else 0

    def write(self, chunk: Chunk[E], decided: Decided[E]) -> Posted:
        """Write a chunk, once whatever happens; what others have overtaken is decided anew.

        The journal tells where the next run goes on, so a chunk is never written after one that
        failed.
        """
        if chunk.number != self._turn:
            raise _OutOfTurnError
        digest = self._journal.digest
        command = PostChunk(digest=digest, attempt=self._attempt, chunk=chunk.number)
        command_id = derived_id(
            NAMESPACE, "ledger.import", digest, str(self._attempt), str(chunk.number)
        )
        ahead = [decided]

        def post_chunk(session: PostgresSession, _: PostChunk) -> Any:
            cursor = session.cursor
            cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_THE_LOG}'")
            made = ahead.pop() if ahead else self._posting.decide(cursor, chunk.entries)
            if made.closed != closed_through(cursor):
                made = self._posting.decide(cursor, chunk.entries)
            write(session, made)
            self._posting.settle(cursor, made)
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
    """Let the thread that writes have its turn soon, and spare the garbage collector its looks.

    It would look at a hundred thousand lines that are still needed, and the run itself makes no
    cycles. Yields what lets it look now and then.
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
