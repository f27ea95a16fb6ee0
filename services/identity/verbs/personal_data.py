"""``saldo identity erase | export``: a person's data goes, or is handed out to him."""

from __future__ import annotations

from typing import Any

from services.identity.verbs.finding import PersonId
from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    Reason,
    out,
    print_json,
    recorded_reason,
    reporting,
)

EXPORT_SECONDS = 60.0
"""Every service is asked for all that it holds."""


def erase(
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Erase a person for good: whoever withdraws his consent, or asks for it in writing.

    E-mail, name, telephone, password, devices, questions and waiting letters go; accounts are
    unlinked. Payments stay without a name, as the law on accounting wants. The last letter says so.
    """
    with reporting():
        why = recorded_reason(reason)
        with calls_to("identity", actor) as identity:
            done: dict[str, Any] = identity.command(
                "erase", person_id=person_id, reason=why, dry_run=dry_run
            )
    if json:
        print_json(done)
    elif dry_run:
        out.print(text("Dry run: all checks passed, nothing was written."))
    elif done["erased"]:
        out.print(text("{person} is erased.", person=person_id), soft_wrap=True)
    else:
        out.print(text("{person} was erased before.", person=person_id), soft_wrap=True)


def export(
    person_id: PersonId,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
) -> None:
    """Print all that is held of a person, as JSON; who asked and why is kept in the security log.

    Give it to nobody but the person. A dry run shows nothing.
    """
    with reporting():
        why = recorded_reason(reason)
        with calls_to("identity", actor) as identity:
            held = identity.command(
                "export", deadline=EXPORT_SECONDS, person_id=person_id, reason=why, dry_run=dry_run
            )
    print_json(held)
