"""Creates schemas, roles and tables of services, as the owner of the database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC
from urllib.parse import urlsplit

from services.discovery import migrations_of
from shared.config import ConfigurationError, Settings
from shared.eventstore.migration_status import status_of
from shared.eventstore.migrations import make_database, migrate, migrate_keys


def migrate_all(names: Sequence[str], settings: Settings, *, contract: bool = False) -> None:
    """Bring the schemas of services up to date; print each applied migration.

    With ``contract`` also those steps are applied that wait until a roll-out is over.
    """
    if not settings.database_url:
        raise ConfigurationError("set SALDO_DATABASE_URL to the PostgreSQL URL of the owner")
    if not settings.keys_database_url:
        raise ConfigurationError(
            "set SALDO_KEYS_DATABASE_URL to the PostgreSQL URL of the owner of the database of "
            "keys, apart from the data that they open: shared/KEYS.md says how"
        )
    _make_database_of_keys(settings)
    for name in names:
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


def show_status(names: Sequence[str], settings: Settings) -> None:
    """Print the migrations that are not applied, and how far each has come."""
    if not settings.database_url:
        raise ConfigurationError("set SALDO_DATABASE_URL to the PostgreSQL URL of the owner")
    for name in names:
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
