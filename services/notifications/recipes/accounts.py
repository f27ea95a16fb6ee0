"""Letters about access to accounts: who got it, who is invited, who lost it, who guesses."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import RUSSIAN, Asking, Draft, recipe, to_person
from shared.contracts.notifications import LetterKind


@recipe(LetterKind.ACCOUNT_LINKED_BY_ANOTHER)
def account_linked_by_another(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news, to who had linked the account before, that another one has."""
    facts = {"number": letter.refs["number"], "linked_at": letter.refs["at"]}
    return to_person(asking, letter, facts)


@recipe(LetterKind.INVITATION_ACCEPTED)
def invitation_accepted(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news, to who had linked the account before, of an accepted invitation."""
    refs = letter.refs
    facts = {"number": refs["number"], "linked_at": refs["at"], "role": refs["role"]}
    return to_person(asking, letter, facts)


@recipe(LetterKind.ACCESS_WITHDRAWN)
def access_withdrawn(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news that somebody else has ended an access."""
    refs = letter.refs
    facts = {"number": refs["number"], "ended_at": refs["at"], "by_staff": refs["by_staff"]}
    return to_person(asking, letter, facts)


@recipe(LetterKind.INVITATION)
def invitation(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the link of an invitation; None if it has ended.

    It is in the language of the person of its address, or of who invites where nobody has it.
    """
    issued = asking.ask("accounts", "issue_invitation", invitation_id=letter.refs["invitation_id"])
    if issued is None:
        return None
    names = ("number", "address", "role", "token", "valid_days")
    return Draft(
        to=issued["email"],
        language=_language(asking, letter, issued["email"]),
        facts={name: issued[name] for name in names},
        secret_until=datetime.fromisoformat(issued["expires_at"]),
    )


@recipe(LetterKind.PROOFS_GUESSED)
def proofs_guessed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the warning, to an owner of an account, that somebody tries to prove it."""
    facts = {"number": letter.refs["number"], "attempts": letter.refs["attempts"]}
    return to_person(asking, letter, facts)


def _language(asking: Asking, letter: ClaimedLetter, email: str) -> str:
    own = asking.ask("identity", "language_of_address", email=email)
    if own and own["language"]:
        return str(own["language"])
    inviter = letter.refs.get("inviter_id")
    contact = asking.contact(UUID(inviter)) if inviter else None
    return contact.language if contact else RUSSIAN
