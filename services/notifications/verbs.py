"""``saldo notifications``: what became of letters, one by one and by mailings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Annotated, Any
from uuid import UUID

import typer

from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    day,
    minute,
    new_table,
    out,
    print_json,
    recorded_reason,
    reporting,
    show,
)

DIGITS_OF_DIGEST = 12

LetterId = Annotated[UUID, typer.Argument(metavar="LETTER", help="Its id, as list shows it.")]
Since = Annotated[str | None, typer.Option(help="Queued from this day on (UTC), as 2026-10-31.")]


def list_letters(
    *,
    state: Annotated[
        str | None, typer.Option(help="Only queued, sent, failed or bounced ones.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only this kind, such as registration_code.")
    ] = None,
    person: Annotated[
        UUID | None, typer.Option(metavar="ID", help="Only those to this person.")
    ] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List letters, the newest first: what became of each, never its address or text."""
    with reporting():
        start = _start(since)
        with calls_to("notifications") as notifications:
            found = notifications.ask(
                "letters_listed",
                state=state,
                kind=kind,
                person_id=None if person is None else str(person),
                since=start,
                limit=limit,
            )
    if json:
        print_json(found)
        return
    table = new_table(
        text("Letters"),
        text("Letter"),
        text("Kind"),
        text("State"),
        text("Reason"),
        text("Queued (UTC)"),
        text("Sent (UTC)"),
        text("Person"),
    )
    for one in found["letters"]:
        table.add_row(
            one["letter_id"],
            one["kind"],
            state_name(one["state"]),
            _reason(one),
            minute(one["queued_at"]),
            minute(one["sent_at"]),
            one["person_id"] or "",
        )
    show(table)


def show_letter(letter: LetterId, *, json: Json = False) -> None:
    """Show a letter: what it is about, and its history. Who looked is kept."""
    with reporting(), calls_to("notifications") as notifications:
        found = notifications.ask("letter_shown", letter_id=str(letter))
    if json:
        print_json(found)
        return
    table = new_table(found["letter_id"], text("What"), "")
    for what, value in _facts(found):
        table.add_row(what, value)
    show(table)
    history = new_table(text("History"), text("At (UTC)"), text("Event"), text("Details"))
    for event in found["history"]:
        details = {name: value for name, value in event.items() if name not in {"at", "event"}}
        history.add_row(minute(event["at"]), event["event"], _pairs(details))
    show(history)


def failed(*, since: Since = None, json: Json = False) -> None:
    """Count the letters that have failed or come back, by kind and reason; of 30 days, or --since.

    The reason of a letter that came back is the status in the report of it (RFC 3463).
    """
    with reporting():
        start = _start(since)
        with calls_to("notifications") as notifications:
            found = notifications.ask("letters_failed", since=start)
    if json:
        print_json(found)
        return
    table = new_table(
        text("Failures"),
        text("State"),
        text("Kind"),
        text("Reason"),
        text("Letters"),
        text("First queued (UTC)"),
        text("Last queued (UTC)"),
    )
    for row in found["failures"]:
        table.add_row(
            state_name(row["state"]),
            row["kind"],
            _reason_name(row["reason"]),
            str(row["letters"]),
            minute(row["first_queued_at"]),
            minute(row["last_queued_at"]),
        )
    show(table)


def resend(
    letter: LetterId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Have a letter sent again that was sent, has failed or came back.

    It is written anew: with a new code where it has one, and to the address of today. What an
    earlier one holds is void when the new one is written.
    """
    with reporting():
        why = recorded_reason(reason)
        with calls_to("notifications", actor) as notifications:
            done = notifications.command(
                "resend", letter_id=str(letter), reason=why, dry_run=dry_run
            )
    if json:
        print_json(done)
    elif done.get("dry_run"):
        out.print(text("Dry run: all checks passed, nothing was written."))
    else:
        out.print(text("{letter} is queued again.", letter=letter), soft_wrap=True)


def list_mailings(
    *,
    last: Annotated[int, typer.Option(min=1, max=1_000, help="So many, the newest first.")] = 20,
    json: Json = False,
) -> None:
    """List mailings: letters to all who have a new bill, or who are to pay soon, or who are late.

    A person gets one letter of each about all his accounts. Pointless are letters that nobody
    needed any more when their turn came: all was paid, or the access had ended.
    """
    with reporting(), calls_to("notifications") as notifications:
        found = notifications.ask("mailings", limit=last)
    if json:
        print_json(found)
        return
    table = new_table(
        text("Mailings"),
        text("Kind"),
        text("About"),
        text("State"),
        text("Begun (UTC)"),
        text("People found"),
        text("Queued"),
        text("Sent"),
        text("Failed"),
        text("Came back"),
        text("Pointless"),
    )
    for one in found["mailings"]:
        counts = ("found", "queued", "sent", "failed", "bounced", "pointless")
        table.add_row(
            one["kind"],
            _about(one),
            mailing_state(one),
            minute(one["begun_at"]),
            *(str(one[name]) for name in counts),
        )
    show(table)


def _start(since: str | None) -> str | None:
    first = day(since, "--since")
    return None if first is None else datetime.combine(first, time(), UTC).isoformat()


def state_name(state: str) -> str:
    """Return the name of a letter's state."""
    return {
        "queued": text("queued"),
        "sent": text("sent"),
        "failed": text("not delivered"),
        "bounced": text("came back"),
    }.get(state, state)


def _reason_name(reason: str | None) -> str:
    """Return why a letter was given up, in words; a status of RFC 3463 as it is."""
    return {
        "refused_by_server": text("refused by the server"),
        "undeliverable": text("no address to deliver to"),
        "stale": text("pointless by then"),
        "gave_up": text("given up after five days"),
    }.get(reason or "", reason or "")


def _reason(letter: Mapping[str, Any]) -> str:
    """Return why a letter has failed or came back, or with which status it is late."""
    return _reason_name(letter["reason"] or letter["report_status"])


def _facts(letter: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield text("Kind"), letter["kind"]
    yield text("State"), state_name(letter["state"])
    if reason := _reason(letter):
        yield text("Reason"), reason
    yield text("Person"), letter["person_id"] or ""
    yield text("About"), _pairs(letter["refs"])
    yield text("Queued (UTC)"), minute(letter["queued_at"])
    if letter["sent_at"]:
        yield text("Sent (UTC)"), minute(letter["sent_at"])
    if letter["bounced_at"]:
        yield text("Came back (UTC)"), minute(letter["bounced_at"])
    if letter["next_attempt_at"]:
        yield text("Failed attempts"), str(letter["attempts"])
        yield text("Next attempt (UTC)"), minute(letter["next_attempt_at"])


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _about(mailing: Mapping[str, Any]) -> str:
    """Return the day, or the beginning of the digest of a file, as `saldo ledger import` has it."""
    return str(mailing["about"])[:DIGITS_OF_DIGEST]


def mailing_state(mailing: Mapping[str, Any]) -> str:
    """Return how far a mailing has come, with its progress while it is under way."""
    name = {
        "collecting": text("looking for persons"),
        "queueing": text("queueing"),
        "done": text("all queued"),
        "outdated": text("too old to mail"),
    }.get(mailing["state"], mailing["state"])
    progress = mailing["progress"]
    return name if progress is None else f"{name}, {progress:.0%}"
