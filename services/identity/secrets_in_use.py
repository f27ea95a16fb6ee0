"""Whether the secret of a letter is still of use, asked before the letter is sent once more."""

from __future__ import annotations

from uuid import UUID

from services.identity.domain import Person
from services.identity.registrations import Registration
from shared.eventstore import Session
from shared.letters import SecretOf


def secret_needed(session: Session, secret: SecretOf, about: UUID) -> bool:
    """Return whether whoever has the secret can still do something with it; it is not touched."""
    read = session.read
    match secret:
        case SecretOf.REGISTRATION:
            return session.load(Registration, about).is_open
        case SecretOf.TEMPORARY_PASSWORD:
            return session.load(Person, about).needs_temporary_password
        case SecretOf.RESET:
            return bool(read.password_resets.is_open(about))
        case SecretOf.SIGN_IN_LINK:
            return bool(read.sign_in_links.is_open(about))
        case SecretOf.EMAIL_NEW:
            return bool(read.email_changes.waits_for(about, "new"))
        case SecretOf.EMAIL_OLD:
            return bool(read.email_changes.waits_for(about, "old"))
