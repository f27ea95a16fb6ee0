"""Whether a version can still work on the tables of a service: a newer one may have taken some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from shared import database
from shared.config import ConfigurationError, Settings
from shared.logs import get_logger

log = get_logger(__name__)

_IS_THERE = "SELECT to_regclass('schema_levels') IS NOT NULL"
_LEVEL = "SELECT coalesce(max(level), 0) FROM schema_levels"


def check_levels(settings: Settings, services: Sequence[str]) -> None:
    """Raise ConfigurationError where this version is older than the tables of a service.

    A process calls it when it starts. Without a database that answers it starts all the same: what
    runs has been checked by the migrator.
    """
    for service in services:
        url = settings.database_url_of(service)
        info = database.connection_info(
            url, service, statement_timeout_ms=database.STATEMENT_TIMEOUT_MS
        )
        try:
            with database.BoundedConnection.connect(
                info, autocommit=True, row_factory=tuple_row
            ) as connection:
                level = _level(connection)
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege) as error:
            # Of the second kind: the first migrator that makes the table is still at work.
            log.warning("schema_level_unknown", service=service, error=type(error).__name__)
            return
        if level > database.LEVEL:
            raise ConfigurationError(
                f"the tables of {service} are those of a newer version (level {level}, this one "
                f"has {database.LEVEL}): start that version"
            )


def _level(connection: psycopg.Connection[Any]) -> int:
    """Return the level of the last contract step; 0 where the migrator has not been here yet."""
    is_there = connection.execute(_IS_THERE).fetchone()
    if is_there is None or not is_there[0]:
        return 0
    row = connection.execute(_LEVEL).fetchone()
    return int(row[0]) if row else 0
