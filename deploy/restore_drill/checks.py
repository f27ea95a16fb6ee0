"""What is proved of a restored database, by the same commands that staff have."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag
from psycopg import sql

from deploy.embedded.surroundings import REPOSITORY
from services.chosen_book import FIRST
from services.ledger.seal.checkpoint import (
    name_of_origin,
    parse_checkpoint,
    parse_note,
)
from services.ledger.seal.witness_checks import KeptNotes, read_kept
from shared.books import SPLIT, book_of
from shared.config import SERVICES, ConfigurationError, Settings
from shared.keys import UnknownKeyError
from shared.privacy import key_id, unwrap
from shared.secret_files import FOLDER

PERSONAL = ("identity", "accounts", "helpdesk")
"""The services that seal what identifies a person in their events."""
_KEPT = re.compile(
    r"SALDO_("
    r"TIMEZONE|ROLE_PREFIX|LOG_LEVEL|WORKING_DAYS|RETENTION|LEDGER_PENALTY_RULES"
    r"|LEDGER(_[A-Z0-9]+)?_SEAL_(VERIFIER|VERIFIER_FILE|OLD_KEYS)"
    r"|SECRET(_[A-Z]+)?(_FILE)?"
    r")"
)
"""The settings that a command of the drill needs: none of them names a server."""
_NAMED = (
    "SELECT DISTINCT (regexp_matches(convert_from(state, 'UTF8'), "
    "'v2\\.([A-Za-z0-9_-]{{8}})\\.', 'g'))[1] FROM {}.events"
)


class CheckError(Exception):
    """A check could not be made; the text says why."""


class Log(NamedTuple):
    """The log of a service: its last position, and when the newest event was recorded."""

    head: int
    newest_at: datetime | None


class KeptOutside(NamedTuple):
    """What witnesses keep of a log: checkpoints, and what is wrong with the rest."""

    notes: list[str]
    findings: list[str]


def log_in(url: str, name: str) -> Log:
    """Return the log of a service or of a book in its restored database."""
    query = sql.SQL("SELECT coalesce(max(notification_id), 0), max(recorded_at) FROM {}.events")
    with psycopg.connect(url) as connection:
        [row] = connection.execute(query.format(sql.Identifier(name))).fetchall()
    return Log(*row)


def without_servers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that lead to no server, nor to a witness.

    Of PostgreSQL's own not one is left: PGHOSTADDR counts before the host of a URL.
    """
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("SALDO_", "PG", "OTEL_")) or _KEPT.fullmatch(name)
    }


def environment_for(
    url: str, keys_url: str, environ: Mapping[str, str], log: str = SPLIT
) -> dict[str, str]:
    """Return the environment of a command that works on the scratch server, and on nothing else.

    It knows the log of one book of the ledger, which is at ``url``.
    """
    own = without_servers(environ)
    # Of a folder of secrets the rings alone: it may have the URLs of what runs, too.
    folder = Path(environ.get(FOLDER) or os.devnull)
    names = {f"SALDO_SECRET_{service.upper()}" for service in SERVICES} - own.keys()
    rings = [folder / name for name in names]
    own = {f"{ring.name}_FILE": str(ring) for ring in rings if ring.is_file()} | own
    own |= {"SALDO_DATABASE_URL": url, "SALDO_STAFF_DATABASE_URL": url}
    own |= {"SALDO_KEYS_DATABASE_URL": keys_url or url, "SALDO_LANG": "en"}
    own |= {"SALDO_LEDGER_BOOKS": book_of(log)}
    own |= {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), environ.get("PYTHONPATH", "")])}
    return own


def saldo(environment: Mapping[str, str], *words: str) -> dict[str, Any]:
    """Return the JSON that a verb of ``saldo`` prints; its progress goes to standard error.

    Raises CheckError where it could not do its work.
    """
    command = [sys.executable, "-W", "ignore", "-m", "services.cli", *words, "--json"]
    done = subprocess.run(
        command, env=dict(environment), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise CheckError(f"saldo {' '.join(words[:2])} could not do its work")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def folders_of(witnesses: Sequence[Path], books: Iterable[str]) -> list[Path]:
    """Return the places of witnesses, and in them the folder of each further book, if it is there.

    As `saldo ledger verify --witness` has it. None is named twice: its checkpoints would count so.
    """
    named = {place.resolve() for place in witnesses}
    folders = [place / book for place in witnesses for log in books if (book := book_of(log))]
    return [*witnesses, *(one for one in folders if one.is_dir() and one.resolve() not in named)]


def kept_outside(
    witnesses: Sequence[Path], logs: Sequence[str], names: Mapping[str, str]
) -> dict[str, KeptOutside]:
    """Return the checkpoints of each restored log that witnesses keep.

    ``names`` says by the name in a checkpoint which log it is of. What is of none that is known
    the first one is held against. Raises CheckError for a witness that cannot be read.
    """
    try:
        kept = read_kept(witnesses) if witnesses else KeptNotes([], [], [])
    except OSError as error:
        raise CheckError(f"a witness cannot be read: {error.strerror}") from None
    first = logs[0]
    found = {log: KeptOutside([], []) for log in logs}
    for note in kept.notes:
        name = name_of_origin(parse_checkpoint(parse_note(note).text).origin)
        if (log := names.get(name, first)) in found:
            found[log].notes.append(note)
    found[first].findings.extend(one.text for one in kept.findings)
    return found


def audited(environment: Mapping[str, str], log: str) -> dict[str, Any]:
    """Return what `saldo ledger audit` says of the restored log of a book."""
    return saldo(environment, "ledger", "audit", "--book", book_of(log) or FIRST)


def verified(environment: Mapping[str, str], log: str, kept: KeptOutside) -> dict[str, Any]:
    """Return what `saldo ledger verify` says of a restored log and of kept checkpoints."""
    words = ("ledger", "verify", "--restored", "--book", book_of(log) or FIRST)
    if not kept.notes:
        return saldo(environment, *words)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="saldo-drill-") as file:
        file.write("\n".join(kept.notes))
        file.flush()
        return saldo(environment, *words, "--witness", file.name)


def opened_keys(
    service: str, data_url: str, keys_url: str, settings: Settings
) -> tuple[int, list[str]]:
    """Open all that a service's ring has wrapped; return how much that is, and what is wrong.

    Each data key that an event names must be there, but for those of whoever was erased.
    """
    ring = settings.keys_of(service, "data-keys")
    rows = _wrapped(data_url, service, "hash_keys", "purpose")
    rows += _wrapped(data_url, service, "data_keys", "subject")  # where they lay once
    rows += _wrapped(keys_url, f"{service}_keys", "data_keys", "subject")
    ids: set[str] = set()
    unopened = 0
    for bound_to, wrapped in rows:
        try:
            ids.add(key_id(unwrap(ring, wrapped, bound_to)))
        except (InvalidTag, UnknownKeyError, ConfigurationError, ValueError):
            unopened += 1
    findings = []
    if unopened:
        findings.append(f"{service}: the ring given does not open {unopened} of {len(rows)} keys")
    elif service in PERSONAL:
        missing, erased = _missing(service, data_url, ids)
        if missing > erased:
            findings.append(
                f"{service}: events name {missing} data keys that the backup of the keys lacks, "
                f"but only {erased} were destroyed: it is older than the data, or not of them"
            )
    return len(rows), findings


def _wrapped(url: str, schema: str, table: str, subject: str) -> list[tuple[bytes, bytes]]:
    """Return (what it is bound to, the wrapped key) of each row of a table, if it is there."""
    with psycopg.connect(url) as connection:
        here = connection.execute("SELECT to_regclass(%s)", (f"{schema}.{table}",)).fetchone()
        if here == (None,):
            return []
        query = sql.SQL("SELECT {}, wrapped FROM {}").format(
            sql.Identifier(subject), sql.Identifier(schema, table)
        )
        return [
            (one.bytes if isinstance(one, UUID) else one.encode(), bytes(wrapped))
            for one, wrapped in connection.execute(query)
        ]


def _missing(service: str, data_url: str, ids: set[str]) -> tuple[int, int]:
    """Return how many keys the events name that are not among ``ids``, and how many are erased."""
    with psycopg.connect(data_url) as connection:
        named = {
            one for (one,) in connection.execute(sql.SQL(_NAMED).format(sql.Identifier(service)))
        }
        query = sql.SQL("SELECT count(*) FROM {}.destroyed_keys").format(sql.Identifier(service))
        row = connection.execute(query).fetchone()
    return len(named - ids), row[0] if row else 0
