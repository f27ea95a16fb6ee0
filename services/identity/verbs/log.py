"""``saldo identity log``: who has seen or changed what of whom, in every service."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Annotated
from uuid import UUID

import typer

from services.language import text
from services.security_logs import newest_entries
from services.terminal import Json, day, minute, new_table, print_json, reporting, show


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
        found = newest_entries(
            limit=limit,
            person_id=person,
            by=by if by is None or ":" in by else f"staff:{by}",
            since=None if start is None else datetime.combine(start, time(), UTC),
        )
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
