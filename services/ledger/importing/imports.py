"""Importing a file from beginning to end: what is checked before, what is answered after."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from services.ledger.importing.adjustments import Adjustments
from services.ledger.importing.charges import Charges
from services.ledger.importing.journal import Past
from services.ledger.importing.openings import Openings
from services.ledger.importing.posting import Counts, Posting
from services.ledger.importing.registry import Registry
from services.ledger.importing.run import Progress, Run
from services.ledger.importing.source import Source, open_source
from shared.errors import ValidationFailed
from shared.eventstore.postgres import PostgresStore
from shared.money import Kopecks, format_roubles

Bar = Callable[[str, int], AbstractContextManager[Progress]]
"""(what is done, bytes in all) -> shows a bar, and answers how to advance it."""


class Wanted(msgspec.Struct, kw_only=True):
    """What is to be imported, and under which conditions.

    ``rows``, ``entries`` and ``total`` (kopecks) are control totals: unless all that are given are
    as in the file, nothing is posted. ``strict``: nothing is posted if a single row is refused.
    ``limit`` is what one person may move by an adjustment, in kopecks.
    """

    path: Path
    actor: str
    reason: str
    limit: Kopecks
    kind: str | None = None
    encoding: str | None = None
    rows: int | None = None
    entries: int | None = None
    total: Kopecks | None = None
    strict: bool = False
    dry_run: bool = False
    quarantine: Path | None = None


class Summary(msgspec.Struct, kw_only=True):
    """What an import has done.

    ``state``: ``imported``, ``dry_run``, ``refused`` (strict, and rows were refused: nothing is
    posted), ``nothing_posted`` (all rows were refused; the file may be tried again) or
    ``imported_before``. ``counts`` are of the whole file, also where a run went on with it.
    """

    file: str
    kind: str
    encoding: str
    digest: str
    state: str
    counts: Counts
    entries: str
    by: str = ""
    resumed: bool = False
    quarantine: str | None = None
    quarantine_lost: bool = False
    first_position: int | None = None
    last_position: int | None = None


def import_file(store: PostgresStore, wanted: Wanted, bar: Bar) -> Summary:
    """Import a file: chunk by chunk, each row once, whatever happens in between.

    Raises ValidationFailed for a file that cannot be read, or whose control totals differ, and
    Conflict while another process imports it; nothing is posted then.
    """
    source = open_source(wanted.path, wanted.kind, wanted.encoding)
    quarantine = wanted.quarantine or wanted.path.with_name(f"{wanted.path.name}.quarantine.csv")
    run = Run[Any](store, source, _posting(store, source, wanted), quarantine)
    if wanted.dry_run:
        counts = _shown(bar, "checking", source, lambda advance: run.check(None, advance))
        _check_totals(source, wanted, counts)
        return _summary(source, run, "dry_run", counts)
    with run.journal.alone():
        past = run.journal.past()
        if past and past.finished:
            return _summary(source, run, "imported_before", past.counts, past)
        if (wanted.rows, wanted.entries, wanted.total) != (None, None, None):
            said = _shown(bar, "adding up", source, run.survey)
            _check_totals(source, wanted, said)
        if wanted.strict:
            counts = _shown(bar, "checking", source, lambda advance: run.check(past, advance))
            if counts.refused_rows:
                return _summary(source, run, "refused", counts, past)
        return _post(source, run, past, wanted, bar)


def _post(source: Source, run: Run[Any], past: Past | None, wanted: Wanted, bar: Bar) -> Summary:
    run.journal.begin(wanted.actor, wanted.reason)
    past = past or run.journal.past()
    resumed = past is not None and past.place is not None
    lost = bool(past and past.place and run.quarantine.is_lost(past.place.quarantine_bytes))
    counts = _shown(
        bar, "posting", source, lambda advance: run.post(past, wanted.actor, advance), past
    )
    if counts.entries or counts.unchanged or not counts.refused_rows:
        run.journal.finish()
        state = "imported"
    else:
        run.journal.forget()
        state = "nothing_posted"
    summary = _summary(source, run, state, counts)
    summary.resumed, summary.quarantine_lost = resumed, lost
    return summary


def _posting(store: PostgresStore, source: Source, wanted: Wanted) -> Posting[Any]:
    today = store.clock.today
    makers: dict[str, Callable[[], Posting[Any]]] = {
        "charges": Charges,
        "registry": lambda: Registry(today),
        "opening": lambda: Openings(today),
        "adjustments": lambda: Adjustments(today, wanted.limit),
    }
    return makers[source.kind.name]()


def _check_totals(source: Source, wanted: Wanted, counts: Counts) -> None:
    rows, entries, total = counts.said
    differing = []
    if wanted.rows not in (None, rows):
        differing.append(f"{rows} rows, not {wanted.rows}")
    if wanted.entries not in (None, entries):
        differing.append(f"{entries} {source.kind.entries}, not {wanted.entries}")
    if wanted.total is not None and wanted.total != total:
        differing.append(f"{format_roubles(total)} roubles, not {format_roubles(wanted.total)}")
    if differing:
        unread = counts.refused_rows
        note = f" {unread} of its rows are refused." if unread else ""
        raise ValidationFailed(
            "control_totals",
            f"The control totals differ: {source.path.name} has {'; '.join(differing)}.{note} "
            "Nothing was posted.",
        )


def _shown(
    bar: Bar,
    what: str,
    source: Source,
    work: Callable[[Progress], Counts],
    past: Past | None = None,
) -> Counts:
    done = past.place.offset if past and past.place else source.start
    with bar(what, source.size) as advance:
        advance(done)
        return work(advance)


def _summary(
    source: Source, run: Run[Any], state: str, counts: Counts, past: Past | None = None
) -> Summary:
    summary = Summary(
        file=str(source.path),
        kind=source.kind.name,
        encoding=source.encoding,
        digest=source.digest,
        state=state,
        counts=counts,
        entries=source.kind.entries,
        by=past.by if past else "",
        quarantine=str(run.quarantine.path) if counts.refused_rows else None,
    )
    if state in ("imported", "imported_before"):
        summary.first_position, summary.last_position = run.journal.positions()
    return summary
