"""Importing a file from beginning to end: checks, control totals, posting, summary."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from services.ledger.importing.adjustments import Adjustments
from services.ledger.importing.charges import Charges
from services.ledger.importing.journal import ResumePoint
from services.ledger.importing.kinds import CHARGES, Source, open_source
from services.ledger.importing.openings import Openings
from services.ledger.importing.posting import Counts, Posting
from services.ledger.importing.registry import Registry
from services.ledger.importing.repeats import Repeats
from services.ledger.importing.run import Progress, Run
from shared.errors import ValidationFailed
from shared.eventstore.pacing import Pacing
from shared.eventstore.postgres import PostgresStore
from shared.money import Kopecks
from shared.tablefiles import ControlTotals, quarantine_path

T = TypeVar("T")
Bar = Callable[[str, int], AbstractContextManager[Progress]]
"""(title, bytes in all) -> shows a progress bar; yields the function that advances it."""


class ImportRequest(msgspec.Struct, kw_only=True):
    """A file to import, and the conditions.

    Nothing is posted if the file differs from one of the control ``totals`` given, or, with
    ``strict``, if a single row is refused. ``limit`` is what one adjustment may move, in
    kopecks; None: anything. Bills that were ``missed`` take effect today. ``tell_wait`` is called
    when the import first waits for what it has posted to be published.
    """

    path: Path
    actor: str
    reason: str
    limit: Kopecks | None
    kind: str | None = None
    encoding: str | None = None
    totals: ControlTotals = ControlTotals()
    strict: bool = False
    missed: bool = False
    dry_run: bool = False
    quarantine: Path | None = None
    tell_wait: Callable[[], None] | None = None


class Summary(msgspec.Struct, kw_only=True):
    """The outcome of an import.

    ``state``: ``imported``, ``dry_run``, ``refused`` (strict, and rows were refused: nothing is
    posted), ``nothing_posted`` (all rows were refused; the file may be tried again) or
    ``imported_before``. ``counts`` are of the whole file, also when the run was resumed.
    ``empty_rows`` had nothing but empty cells, and were skipped. It has waited for so many seconds
    for what it posted to be published; ``unpublished``: for some of it it has not.
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
    empty_rows: int = 0
    quarantine: str | None = None
    quarantine_lost: bool = False
    waited_seconds: float = 0.0
    unpublished: bool = False
    first_position: int | None = None
    last_position: int | None = None


def import_file(store: PostgresStore, request: ImportRequest, bar: Bar) -> Summary:
    """Import a file chunk by chunk, each row exactly once.

    Raises ValidationFailed for a file that cannot be read, or whose control totals differ, and
    Conflict while another process imports it; nothing is posted then.
    """
    source = open_source(request.path, request.kind, request.encoding)
    if request.missed and source.kind is not CHARGES:
        raise ValidationFailed(
            "invalid_file", f"Only bills are missed; {source.path.name} has {source.kind.name}."
        )
    quarantine = request.quarantine or quarantine_path(request.path)
    posting = posting_of(store, source, request)
    pacing = Pacing(store, request.tell_wait)
    with closing(Repeats(source, posting.name_by_key)) as repeats:
        run = Run[Any](store, source, posting, quarantine, repeats, pacing)
        summary = _import(source, run, repeats, request, bar)
        summary.empty_rows = repeats.empty_rows
    summary.waited_seconds, summary.unpublished = round(pacing.waited, 1), pacing.gave_up
    return summary


def _import(
    source: Source, run: Run[Any], repeats: Repeats, request: ImportRequest, bar: Bar
) -> Summary:
    if request.dry_run:
        _with_bar(bar, "comparing", source, repeats.find)
        counts = _with_bar(bar, "checking", source, lambda advance: run.check(None, advance))
        _check_totals(source, run, request, counts)
        return _summary(source, run, "dry_run", counts)
    with run.journal.alone():
        resume = run.journal.resume_point()
        if resume and resume.finished:
            return _summary(source, run, "imported_before", resume.counts, resume)
        _with_bar(bar, "comparing", source, repeats.find)
        if request.totals.are_given:
            counts = _with_bar(bar, "adding", source, run.survey)
            _check_totals(source, run, request, counts)
        if request.strict:
            counts = _with_bar(bar, "checking", source, lambda advance: run.check(resume, advance))
            if counts.refused_rows:
                return _summary(source, run, "refused", counts, resume)
        return _post(source, run, resume, request, bar)


def _post(
    source: Source,
    run: Run[Any],
    resume: ResumePoint | None,
    request: ImportRequest,
    bar: Bar,
) -> Summary:
    run.journal.begin(request.actor, request.reason)
    resume = resume or run.journal.resume_point()
    resumed = resume is not None and resume.place is not None
    lost = bool(resume and resume.place and run.quarantine.is_lost(resume.place.quarantine_bytes))
    counts = _with_bar(
        bar, "posting", source, lambda advance: run.post(resume, request.actor, advance), resume
    )
    if counts.entries or counts.unchanged or not counts.refused_rows:
        run.journal.finish(request.actor, counts)
        state = "imported"
    else:
        run.journal.forget(request.actor, counts)
        state = "nothing_posted"
    summary = _summary(source, run, state, counts)
    summary.resumed, summary.quarantine_lost = resumed, lost
    return summary


def posting_of(store: PostgresStore, source: Source, request: ImportRequest) -> Posting[Any]:
    """Return what reads and posts a file of this kind."""
    today = store.clock.today
    makers: dict[str, Callable[[], Posting[Any]]] = {
        "charges": lambda: Charges(today, missed=request.missed),
        "registry": lambda: Registry(today),
        "opening": lambda: Openings(today),
        "adjustments": lambda: Adjustments(today, request.limit),
    }
    return makers[source.kind.name]()


def _check_totals(source: Source, run: Run[Any], request: ImportRequest, counts: Counts) -> None:
    differing = request.totals.differences(counts.totals, source.kind.entries)
    if not differing:
        return
    fault = f"The control totals differ: {source.path.name} has {'; '.join(differing)}."
    if counts.refused_rows:
        reasons = "; ".join(run.reasons)
        fault += f" {counts.refused_rows} of its rows are refused: {reasons}."
    if counts.refused_rows > len(run.reasons):
        fault += " --dry-run without totals writes all reasons to the quarantine file."
    raise ValidationFailed("control_totals", f"{fault} Nothing was posted.")


def _with_bar(
    bar: Bar,
    what: str,
    source: Source,
    work: Callable[[Progress], T],
    resume: ResumePoint | None = None,
) -> T:
    done = resume.place.offset if resume and resume.place else source.start
    with bar(what, source.size) as advance:
        advance(done)
        return work(advance)


def _summary(
    source: Source, run: Run[Any], state: str, counts: Counts, resume: ResumePoint | None = None
) -> Summary:
    summary = Summary(
        file=str(source.path),
        kind=source.kind.name,
        encoding=source.encoding,
        digest=source.digest,
        state=state,
        counts=counts,
        entries=source.kind.entries,
        by=resume.by if resume else "",
        quarantine=str(run.quarantine.path) if counts.refused_rows else None,
    )
    if state in ("imported", "imported_before"):
        summary.first_position, summary.last_position = run.journal.positions()
    return summary
