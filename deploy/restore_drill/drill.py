"""The steps of the drill, and its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from deploy.restore_drill.backups import Backup, BackupError, latest_backup
from deploy.restore_drill.checks import (
    CheckError,
    KeptOutside,
    Log,
    audited,
    environment_for,
    folders_of,
    kept_outside,
    log_in,
    opened_keys,
    verified,
)
from deploy.restore_drill.logs import Restored, check_verifiers, names_of_logs, restored_logs
from deploy.restore_drill.scratch import Scratch, scratch_server
from shared.books import SPLIT, is_book
from shared.config import Settings, load_settings

DATA, KEYS = "data", "keys"


@dataclass(frozen=True)
class Request:
    """What is to be restored, and what proves it."""

    data: Path
    keys: Path | None
    """The backup of the keys; None: the drill goes without."""
    witnesses: Sequence[Path]
    until: datetime | None
    max_age_minutes: float | None
    owner: str
    folder: Path | None
    tools: Path | None
    keep: bool
    environ: Mapping[str, str]


@dataclass
class Report:
    """What the drill has restored and found; ``findings``: what keeps the backup from being one."""

    backups: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, Log] = field(default_factory=dict)
    newest_event_at: datetime | None = None
    age_seconds: int | None = None
    audit: dict[str, Any] = field(default_factory=dict)
    seal: dict[str, Any] = field(default_factory=dict)
    books: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The ``audit`` and ``seal`` of each further book of the ledger, by its log."""
    elsewhere: list[str] = field(default_factory=list)
    """Logs that are on another server, and so not in this backup."""
    keys: dict[str, int] | None = None
    findings: list[str] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the report for a program."""
        logs = {name: log._asdict() for name, log in self.logs.items()}
        return {**asdict(self), "logs": logs}


class Console(Protocol):
    """Where the drill says how far it is."""

    def step(self, name: str, total: int | None) -> Any:
        """Begin a step; a context manager that yields a function to advance by."""


def run(request: Request, console: Console) -> Report:
    """Run the drill. Raises BackupError and CheckError where it cannot be run to its end."""
    settings = _checked_settings(request)
    report, began = Report(), monotonic()
    with ExitStack() as stack:

        @contextmanager
        def timed(name: str, total: int | None = None) -> Iterator[Any]:
            since = monotonic()
            with console.step(name, total) as advance:
                yield advance
            report.steps[name] = round(monotonic() - since, 1)

        def restored(what: str, source: Path, until: datetime | None) -> Scratch:
            backup = latest_backup(source, until)
            server = scratch_server(request.folder, request.owner, request.tools, keep=request.keep)
            scratch = stack.enter_context(server)
            with timed(f"restoring the {what}", _size(backup)) as advance:
                scratch.restore(backup, until, advance)
            report.backups[what] = {
                "path": str(backup.path),
                "taken_at": backup.taken_at,
                "recovered_to": scratch.recovered_to() if backup.wal else None,
                "kept_in": str(scratch.folder) if request.keep else None,
            }
            return scratch

        data = restored(DATA, request.data, request.until)
        found = restored_logs(data, settings)
        check_verifiers(found.books, request.environ)
        report.logs = {log: log_in(url, log) for log, url in found.urls.items()}
        report.elsewhere, report.findings = found.elsewhere, found.findings
        _tell_age(report, request)
        keys_url = ""
        if request.keys is not None:
            # Always the newest: whoever was erased since that moment stays erased.
            same = request.keys == request.data
            keys = data if same else restored(KEYS, request.keys, None)
            keys_url = keys.url_of(_one(keys, "identity_keys", besides="ledger"))
        environments = {
            log: environment_for(found.urls[log], keys_url, request.environ, log)
            for log in found.books
        }
        with timed("auditing"):
            for log, environment in environments.items():
                _audit(report, log, environment)
        with timed("verifying the seal"):
            names = names_of_logs([SPLIT, *settings.books, *found.books], request.environ)
            witnesses = folders_of(request.witnesses, found.books)
            for log, kept in kept_outside(witnesses, found.books, names).items():
                _verify(report, log, environments[log], kept)
                if witnesses:
                    _tell_uncompared(report, log, kept)
        if keys_url:
            with timed("opening the keys", len(found.urls)) as advance:
                _open_keys(report, found, keys_url, settings, advance)
    report.seconds = round(monotonic() - began, 1)
    return report


def _checked_settings(request: Request) -> Settings:
    """Return the settings; raises CheckError for those without which nothing can be proved."""
    settings = load_settings(request.environ)
    if not names_of_logs([SPLIT, *settings.books], request.environ):
        check_verifiers([SPLIT], request.environ)
    if request.keys is not None and not settings.key_rings:
        raise CheckError(
            "set SALDO_SECRET_<SERVICE>_FILE, or --secrets, to the key rings, from elsewhere than "
            "the backup; --without-keys leaves the keys out"
        )
    return settings


def _one(scratch: Scratch, schema: str, besides: str = "") -> str:
    """Return the database with a schema; the one without another, where several have it."""
    found = scratch.databases_with(schema)
    if besides and len(found) > 1:
        found = [name for name in found if name not in scratch.databases_with(besides)]
    if len(found) != 1:
        raise BackupError(
            f"the backup has {len(found)} databases with the schema {schema}, not one: it is of "
            "something else"
        )
    return found[0]


def _tell_age(report: Report, request: Request) -> None:
    times = [log.newest_at for log in report.logs.values() if log.newest_at]
    if not times:
        report.findings.append("the backup has no event at all")
        return
    newest = max(times)
    report.newest_event_at = newest
    report.age_seconds = round((datetime.now(UTC) - newest).total_seconds())
    most = request.max_age_minutes
    if most is not None and report.age_seconds > most * 60:
        report.findings.append(
            f"the newest event is {report.age_seconds // 60} minutes old, more than {most:g}"
        )


def _audit(report: Report, log: str, environment: Mapping[str, str]) -> None:
    audit = audited(environment, log)
    differences = len(audit["differences"]) + audit["unlisted"]
    found = {
        "accounts": audit["accounts"],
        "events": audit["events"],
        "differences": differences,
        "trial_balance": sum(audit["trial_balance"].values()),
    }
    if is_book(log):
        report.books[log] = {"audit": found}
    else:
        report.audit = found
    if differences:
        report.findings.append(f"{_of(log)}the audit finds {differences} differences")


def _verify(report: Report, log: str, environment: Mapping[str, str], kept: KeptOutside) -> None:
    seal = verified(environment, log, kept)
    found = {
        "sealed": seal["sealed"],
        "unsealed": seal["unsealed"],
        "checkpoints": seal["checkpoints"],
        "kept_elsewhere": seal["outside"],
        # Events that a witness knows of, and that the backup does not have: at least so many.
        "lost": seal["lost"],
    }
    if is_book(log):
        report.books[log]["seal"] = found
    else:
        report.seal = found
    report.findings += [f"{_of(log)}seal: {text}" for text in kept.findings]
    report.findings += [f"{_of(log)}seal: {one['text']}" for one in seal["findings"]]


def _tell_uncompared(report: Report, log: str, kept: KeptOutside) -> None:
    """Add a finding for a log of which no witness has anything: who was named keeps others.

    One without any event has no checkpoint to be kept.
    """
    if report.logs[log].head and not kept.notes:
        report.findings.append(
            f"{_of(log)}seal: no witness that was named keeps a checkpoint of it"
        )


def _of(log: str) -> str:
    """Return how a finding names a book; the first one goes without."""
    return f"{log}: " if is_book(log) else ""


def _open_keys(
    report: Report, found: Restored, keys_url: str, settings: Settings, advance: Any
) -> None:
    report.keys = {}
    for service, url in found.urls.items():
        report.keys[service], findings = opened_keys(service, url, keys_url, settings)
        report.findings += [f"keys: {text}" for text in findings]
        advance(1)


def _size(backup: Backup) -> int:
    files = [backup.path] if backup.path.is_file() else backup.path.rglob("*")
    size = sum(file.stat().st_size for file in files if file.is_file())
    return 2 * size if backup.wal else size  # copied, and compared with the manifest
