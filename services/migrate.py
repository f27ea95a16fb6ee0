"""Creates schemas, roles and tables of services, as the owner of the database."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.discovery import migrations_of
from shared.config import SEALER, ConfigurationError, Settings
from shared.eventstore.migrations import migrate


def migrate_all(names: Sequence[str], settings: Settings) -> None:
    """Bring the schemas of services up to date; print each applied migration."""
    if not settings.database_url:
        raise ConfigurationError("set SALDO_DATABASE_URL to the PostgreSQL URL of the owner")
    for name in names:
        migrate(
            settings.database_url,
            name,
            settings.database_url_of(name),
            migrations_of(name),
            report=lambda line: print(line, file=sys.stderr),  # noqa: T201 - progress
            sealer_url=settings.database_urls.get(SEALER, ""),
        )
