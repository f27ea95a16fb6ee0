"""Letters about changes of an e-mail address, to both mailboxes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import Asking, Draft, language_of, recipe
from shared.contracts.notifications import LetterKind


@recipe(LetterKind.EMAIL_TO_CONFIRM)
def email_to_confirm(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the link of the new mailbox; one with a cabinet of its own only learns that."""
    issued = _issue(asking, letter, "new")
    if issued is None:
        return None
    if issued["taken"]:
        return Draft(
            to=issued["email"],
            language=language_of(issued),
            facts={},
            kind=LetterKind.EMAIL_TAKEN,
            person_id=UUID(issued["person_id"]),
        )
    return _draft(issued)


@recipe(LetterKind.EMAIL_TO_LEAVE)
def email_to_leave(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the link of the old mailbox."""
    issued = _issue(asking, letter, "old")
    return None if issued is None else _draft(issued, way=issued["way"])


@recipe(LetterKind.EMAIL_CHANGED)
def email_changed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news, to one of both mailboxes, that the cabinet has another address."""
    changed = asking.ask("identity", "changed_email", change_id=letter.refs["change_id"])
    if changed is None:
        return None
    return Draft(
        to=changed[f"{letter.refs['side']}_email"],
        language=language_of(changed),
        facts={"changed_at": letter.refs["at"]},
        person_id=UUID(changed["person_id"]),
    )


def _issue(asking: Asking, letter: ClaimedLetter, side: str) -> dict[str, Any] | None:
    return asking.ask("identity", "issue_email_link", change_id=letter.refs["change_id"], side=side)


def _draft(issued: dict[str, Any], **facts: Any) -> Draft:
    return Draft(
        to=issued["email"],
        language=language_of(issued),
        facts={
            "token": issued["token"],
            "due_at": issued["due_at"],
            **facts,
        },
        secret_until=datetime.fromisoformat(issued["expires_at"]),
        person_id=UUID(issued["person_id"]),
    )
