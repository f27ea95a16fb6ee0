"""``saldo identity log``: who has seen or changed what of whom, in every service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, time
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from services.discovery import open_store
from services.identity.verbs.words import minute
from services.language import text
from services.signing_in import check_login, login_of_security_log
from services.terminal import Json, day, new_table, print_json, reporting, show
from shared.config import SERVICES, load_settings


def log(
    person: Annotated[
        UUID | None, typer.Option(metavar="ID", help="Only what concerns this person.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Only what this one of the staff did, such as ivanova.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only from this day on (UTC), as 2026-10-31.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """Show the security log, the newest first: for auditors and operators, by their login."""
    with reporting():
        start = day(since, "--since")
        chosen: dict[str, Any] = {
            "person_id": person,
            "by": by if by is None or ":" in by else f"staff:{by}",
            "since": start and datetime.combine(start, time(), UTC),
            "limit": limit,
        }
        found = sorted(_entries(chosen), key=lambda entry: str(entry["at"]), reverse=True)[:limit]
    if json:
        print_json({"entries": found})
        return
    table = new_table(
        text("Security log"),
        text("At (UTC)"),
        text("Who"),
        text("Service"),
        text("Action"),
        text("Person"),
        text("About"),
        text("Reason"),
    )
    for entry in found:
        table.add_row(
            minute(entry["at"]),
            entry["actor"],
            entry["service"],
            entry["action"],
            entry["person_id"] or "",
            entry["about"],
            entry["reason"],
        )
    show(table)


def _entries(chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    settings = load_settings()
    for service in SERVICES:
        login = login_of_security_log(settings, service)
        check_login(login, service)
        with closing(open_store(service, settings, login=login)) as store:
            for entry in store.query(lambda session: session.security.entries(**chosen)):
                at = entry.at.astimezone(UTC).isoformat()
                yield {"service": service, **msgspec.to_builtins(entry), "at": at}
