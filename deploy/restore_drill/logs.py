"""The logs that a restored server holds, those of the ledger's books too, and those it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from deploy.restore_drill.backups import BackupError
from deploy.restore_drill.scratch import Scratch
from services.ledger.seal.keys import VERIFIER, VERIFIER_FILE, Environ, environ_of, verifier_keys
from shared.books import SPLIT, book_of, books_of, is_book, service_of, with_books
from shared.config import SERVICES, ConfigurationError, Settings

_SCHEMAS = """
SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relname = 'events' AND relkind IN ('r', 'p')
"""


@dataclass
class Restored:
    """Where the restored server has each log."""

    urls: dict[str, str] = field(default_factory=dict)
    """The database of each log."""
    elsewhere: list[str] = field(default_factory=list)
    """Logs that the settings have on another server: they are not in this backup."""
    findings: list[str] = field(default_factory=list)

    @property
    def books(self) -> Sequence[str]:
        """Return the logs of the ledger's books here, that of the first one first."""
        return [log for log in self.urls if service_of(log) == SPLIT]


def restored_logs(server: Scratch, settings: Settings) -> Restored:
    """Return the logs that a restored server has; raises BackupError where it has none of a ledger.

    Of each book there is the schema, whatever the settings say of it. What should be here by them,
    and is not, is a finding.
    """
    homes: dict[str, list[str]] = {}
    for database in server.databases():
        url = server.url_of(database)
        with psycopg.connect(url) as connection:
            for (schema,) in connection.execute(_SCHEMAS).fetchall():
                if schema in SERVICES or _is_further_book(schema):
                    homes.setdefault(schema, []).append(url)
    further = sorted(log for log in homes if log not in SERVICES)
    known = list(settings.books)
    found = Restored()
    for log in with_books(SERVICES, [*known, *(one for one in further if one not in known)]):
        here = homes.get(log, [])
        if len(here) > 1:
            raise BackupError(
                f"the backup has {len(here)} databases with the log of {log}, not one: it is of "
                "something else, or a book is being moved"
            )
        if here:
            found.urls[log] = here[0]
    if not found.books:
        raise BackupError(
            "the backup has no database with the schema ledger: it is of something else"
        )
    _tell_missing(found, settings)
    return found


def _is_further_book(schema: str) -> bool:
    """Return whether a schema is a further book's, and not what another one has left or belongs to.

    ``ledger_moved`` is what a first book leaves where it was.
    """
    try:
        return is_book(schema) and bool(books_of(book_of(schema)))
    except ValueError:
        return False


def _tell_missing(found: Restored, settings: Settings) -> None:
    apart = settings.staff_login_urls  # a server of its own, or a database
    # The server of books alone has no other log.
    of_books = all(log in apart for log in found.urls)
    missing = [log for log in with_books(SERVICES, settings.books) if log not in found.urls]
    found.elsewhere = [log for log in missing if of_books or log in apart]
    if lost := [log for log in missing if log not in found.elsewhere]:
        found.findings.append(f"no log of {', '.join(lost)} is in the backup")
    for log in lost:
        if is_book(log):
            found.findings.append(
                f"{log} has no place of its own by the settings: SALDO_LOGIN_URL_{log.upper()} "
                "names one"
            )


def check_verifiers(books: Sequence[str], environ: Environ) -> None:
    """Raise ConfigurationError for a book without the keys by which its seal is verified."""
    for log in books:
        env = environ_of(log, environ)
        if not (env.get(VERIFIER) or env.get(VERIFIER_FILE)):
            name = VERIFIER_FILE.replace("LEDGER", log.upper())
            raise ConfigurationError(
                f"set {name} to the file with the verifier keys of the seal, from elsewhere than "
                "the backup"
            )


def names_of_logs(books: Sequence[str], environ: Environ) -> dict[str, str]:
    """Return the logs of books by the names in their checkpoints, as far as keys are known."""
    names: dict[str, str] = {}
    for log in books:
        env = environ_of(log, environ)
        if env.get(VERIFIER) or env.get(VERIFIER_FILE):
            for key in verifier_keys(env):
                names.setdefault(key.name, log)
    return names
