"""Creates schemas, roles and tables of services, as the owner of the database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from services.discovery import migrations_of
from shared.config import SEALER, ConfigurationError, Settings
from shared.eventstore.migrations import make_database, migrate, migrate_keys


def migrate_all(names: Sequence[str], settings: Settings) -> None:
    """Bring the schemas of services up to date; print each applied migration."""
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
            settings.database_url,
            name,
            settings.database_url_of(name),
            migrations_of(name),
            report=_report,
            sealer_url=settings.database_urls.get(SEALER, ""),
        )
        migrate_keys(
            settings.keys_database_url, name, settings.keys_database_url_of(name), report=_report
        )


def _make_database_of_keys(settings: Settings) -> None:
    """Create the database of keys where it belongs on the server of the data."""
    data, keys = urlsplit(settings.database_url), urlsplit(settings.keys_database_url)
    if data.netloc == keys.netloc and make_database(
        settings.keys_database_url, settings.database_url
    ):
        _report("the database of keys")


def _report(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress
