"""``saldo identity unblock | resend | end-sessions | restore-access | reset-second-factor``."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from services.identity.verbs.finding import PersonId
from services.identity.verbs.words import letter_name
from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    minute,
    out,
    print_json,
    recorded_reason,
    reporting,
)


def unblock(
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """End the delays that wrong attempts have brought upon a person."""
    done = _act("unblock", reason, actor, dry_run, person_id=person_id)
    _print_done(text("{person} may try again at once.", person=person_id), done, json)


def end_sessions(
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """End all sessions of a person, on every device."""
    done = _act("end_sessions_of", reason, actor, dry_run, person_id=person_id)
    _print_done(text("All sessions of {person} have ended.", person=person_id), done, json)


def reset_second_factor(
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Remove the passkeys, the authenticator app and the codes of a person; all sessions end.

    Only for whoever has shown at the desk who he is: from then on the password is enough. The
    person is told by letter.
    """
    done = _act("reset_second_factor", reason, actor, dry_run, person_id=person_id)
    _print_done(text("The second factor of {person} is removed.", person=person_id), done, json)


def resend(
    person_id: Annotated[
        UUID | None, typer.Argument(metavar="PERSON", help="The id, as find shows it.")
    ] = None,
    *,
    email: Annotated[
        str | None, typer.Option(help="An address whose registration waits for its code.")
    ] = None,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Have a letter written again: a temporary password, a recovery, or a registration code.

    Whoever has not chosen a password gets a new temporary one; whoever has gets a link to choose
    another. What an earlier letter holds is void. With --email the code of a registration is sent
    again, to the address that was given there.
    """
    done = _act("resend_letter", reason, actor, dry_run, person_id=person_id, email=email)
    letter = letter_name(done["letter"])
    _print_done(text("A letter is on its way: {letter}.", letter=letter), done, json)


def restore_access(
    person_id: PersonId,
    *,
    email: Annotated[
        str, typer.Option(help="The new address, which the person has shown to be his.")
    ],
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give a person who has lost his mailbox another address, after a delay of days.

    The old mailbox gets a letter at once, by which its reader can refuse until then. Only for
    somebody who has shown a passport.
    """
    done = _act("restore_access", reason, actor, dry_run, person_id=person_id, email=email)
    said = text("The address changes on {day} (UTC) unless refused.", day=minute(done["due_at"]))
    _print_done(said, done, json)


def _act(
    method: str, reason: str, actor: str | None, dry_run: bool, **arguments: Any
) -> dict[str, Any]:
    with reporting():
        why = recorded_reason(reason)
        with calls_to("identity", actor) as identity:
            return dict(identity.command(method, reason=why, dry_run=dry_run, **arguments))


def _print_done(done: str, result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
    elif result.get("dry_run"):
        out.print(text("Dry run: all checks passed, nothing was written."))
    else:
        out.print(done, soft_wrap=True)
