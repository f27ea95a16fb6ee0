"""Creates schemas, roles and tables of services, as the owner of the database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from urllib.parse import urlsplit

import psycopg

from services.discovery import migrations_of
from shared.config import ConfigurationError, Settings
from shared.eventstore.migration_status import status_of
from shared.eventstore.migration_steps import MigrationError, SchemaMovedError
from shared.eventstore.migrations import make_database, migrate, migrate_keys


def migrate_all(names: Sequence[str], settings: Settings, *, contract: bool = False) -> None:
    """Bring the schemas of services up to date; print each applied migration.

    With ``contract`` also those steps are applied that wait until a roll-out is over. Raises
    SchemaMovedError, when all others are migrated, where books have moved to another database and
    the settings do not lead there yet, and MigrationError where a database does not answer.
    """
    if not settings.database_url:
        raise ConfigurationError("set SALDO_DATABASE_URL to the PostgreSQL URL of the owner")
    if not settings.keys_database_url:
        raise ConfigurationError(
            "set SALDO_KEYS_DATABASE_URL to the PostgreSQL URL of the owner of the database of "
            "keys, apart from the data that they open: shared/KEYS.md says how"
        )
    _make_database_of_keys(settings)
    _for_each(names, lambda name: _migrate(name, settings, contract))


def _for_each(names: Sequence[str], work: Callable[[str], None]) -> None:
    """Do a work for each service; raise SchemaMovedError, when it is done, for those that moved."""
    moved = []
    for name in names:
        try:
            with _answering(name):
                work(name)
        except SchemaMovedError:
            moved.append(name)
    if moved:
        raise SchemaMovedError("\n".join(map(_moved, moved)))


def _migrate(name: str, settings: Settings, contract: bool) -> None:
    migrate(
        settings.owner_url_of(name),
        name,
        settings.database_url_of(name),
        migrations_of(name),
        report=_report,
        sealer_url=settings.sealer_url_of(name),
        contract=contract,
    )
    migrate_keys(
        settings.keys_database_url, name, settings.keys_database_url_of(name), report=_report
    )


def _moved(log: str) -> str:
    """Return what is to be done about a book that has moved."""
    login, runtime = f"SALDO_LOGIN_URL_{log.upper()}", f"SALDO_DATABASE_URL_{log.upper()}"
    return (
        f"{log} has moved to another database: set {login} to the URL of its owner there, and "
        f"{runtime} to that of its role there, and call this again (docs/books.md)"
    )


@contextmanager
def _answering(name: str) -> Iterator[None]:
    """Raise MigrationError where the database of a service does not answer."""
    try:
        yield
    except psycopg.OperationalError as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise MigrationError(f"{name}: the database did not answer: {first_line}") from error


def show_status(names: Sequence[str], settings: Settings) -> None:
    """Print the migrations that are not applied, and how far each has come.

    Raises SchemaMovedError and MigrationError as `migrate_all` does.
    """
    if not settings.database_url:
        raise ConfigurationError("set SALDO_DATABASE_URL to the PostgreSQL URL of the owner")
    _for_each(names, lambda name: _show_status(name, settings))


def _show_status(name: str, settings: Settings) -> None:
    pending = status_of(settings.owner_url_of(name), name, migrations_of(name))
    for step in pending:
        rows = f", {step.rows} rows" if step.rows else ""
        since = f" ({step.since.astimezone(UTC):%F %T} UTC)" if step.since else ""
        detail = f": {step.detail}" if step.detail else ""
        print(f"{name}: {step.name} ({step.kind}): {step.state}{rows}{detail}{since}")  # noqa: T201
    if not pending:
        print(f"{name}: all migrations are applied")  # noqa: T201


def _make_database_of_keys(settings: Settings) -> None:
    """Create the database of keys where it belongs on the server of the data."""
    data, keys = urlsplit(settings.database_url), urlsplit(settings.keys_database_url)
    if data.netloc == keys.netloc and make_database(
        settings.keys_database_url, settings.database_url
    ):
        _report("the database of keys")


def _report(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress
