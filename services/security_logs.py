"""The security logs of all services together, as auditors and operators read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.discovery import open_store
from services.signing_in import check_login, login_of_security_log
from shared.books import with_books
from shared.config import SERVICES, load_settings


def newest_entries(
    *, limit: int, person_id: UUID | None, by: str | None, since: datetime | None
) -> list[dict[str, Any]]:
    """Return the entries of every service, the newest first, each with its ``service``.

    Raises ConfigurationError for a login that reads no security log, and where there is none.
    """
    found = _entries(limit=limit, person_id=person_id, by=by, since=since)
    return sorted(found, key=lambda entry: str(entry["at"]), reverse=True)[:limit]


def _entries(**chosen: Any) -> Iterator[dict[str, Any]]:
    settings = load_settings()
    for service in with_books(SERVICES, settings.books):
        login = login_of_security_log(settings, service)
        check_login(login, service)
        with closing(open_store(service, settings, login=login)) as store:
            for entry in store.query(lambda session: session.security.entries(**chosen)):
                at = entry.at.astimezone(UTC).isoformat()
                yield {"service": service, **msgspec.to_builtins(entry), "at": at}
