"""Use cases: recovering a lost password by a link, the same for known and unknown addresses.

A link is a random token of 256 bits: nobody guesses it, so nothing that strangers do counts
against whoever has one. A further request never voids an earlier link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from services.identity.commands import Command
from services.identity.domain import PasswordOrigin, Person
from services.identity.eviction import leave_nobody
from services.identity.factor_changes import distrust
from services.identity.limits import (
    LETTERS_OF_NETWORK,
    RESET_LETTERS,
    RESET_LINK_LIFE,
    WRONG_LINKS,
)
from services.identity.link_aggregates import PasswordReset
from services.identity.new_passwords import check_new_password
from services.identity.profile import contact_of
from services.identity.rate_limits import enforce_limit
from services.identity.refusals import refusal
from shared.errors import Conflict, NotFound
from shared.eventstore import Session
from shared.ids import new_id


class RequestPasswordReset(Command, frozen=True, kw_only=True):
    device_digest: bytes | None
    email_index: bytes
    network_index: bytes


class IssueResetLink(Command, frozen=True, kw_only=True):
    reset_id: UUID
    token_digest: bytes


class ConfirmPasswordReset(Command, frozen=True, kw_only=True):
    token_digest: bytes
    network_index: bytes
    new_password: str


class NewPassword(NamedTuple):
    """A new password, hashed, and the fingerprint that recognises it among those sent."""

    hash: str
    fingerprint: bytes


def request_password_reset(session: Session, command: RequestPasswordReset) -> dict[str, Any]:
    """Start a recovery; return {}. An unknown address causes the same writes.

    An address that got its letters has links that are valid: it gets no further one for a while,
    and nobody is told. Raises Forbidden ``too_many_attempts`` for a network, unless the device is
    known to be the person's: no neighbour keeps him from a letter.
    """
    read = session.read
    credential = read.credentials.of_email(command.email_index)
    digest = command.device_digest
    if credential is None or not read.devices.is_known(credential.person_id, digest, session.now):
        enforce_limit(session, LETTERS_OF_NETWORK, command.network_index)
    enough = read.attempts.take(RESET_LETTERS, command.email_index, session.now) > 0
    person_id = None if credential is None or enough else credential.person_id
    reset = session.load(PasswordReset, new_id())
    read.password_resets.open(reset.id, person_id, session.now)
    reset.request(person_id)
    return {}


def start_recovery(session: Session, person_id: UUID) -> None:
    """Start a recovery of a known person, whom nobody else can keep from it."""
    if session.read.credentials.of_person(person_id) is None:
        raise NotFound("person_not_found", "There is no such person.")
    reset = session.load(PasswordReset, new_id())
    session.read.password_resets.open(reset.id, person_id, session.now)
    reset.request(person_id)


def issue_reset_link(session: Session, command: IssueResetLink) -> dict[str, Any]:
    """Store the link of the letter being written; return {email, language}.

    Raises NotFound ``password_reset_not_found`` or ``person_not_found``, Conflict
    ``password_reset_completed`` or ``password_reset_expired``.
    """
    expires_at = session.now + RESET_LINK_LIFE
    is_open = session.read.password_resets.issue(command.reset_id, command.token_digest, expires_at)
    reset = session.load(PasswordReset, command.reset_id)
    reset.must_be_open()
    if not is_open:
        raise Conflict("password_reset_expired", "This recovery is too old for another letter.")
    person = _person_of(session, reset)
    return contact_of(session, person)


def _person_of(session: Session, reset: PasswordReset) -> Person:
    if reset.person_id is None:
        raise NotFound("person_not_found", "Nobody is known by that address: no letter is sent.")
    person = session.load(Person, reset.person_id)
    person.must_exist()
    return person


def person_of_link(session: Session, token_digest: bytes) -> UUID | None:
    """Return whose valid link it is; None for any other token, at the cost of one look-up."""
    person_id: UUID | None = session.read.password_resets.person_of(token_digest, session.now)
    return person_id


def check_reset_password(
    session: Session, person_id: UUID, password: str, fingerprint: bytes
) -> None:
    """Raise what `check_new_password` raises, before the password is hashed."""
    person = session.load(Person, person_id)
    person.must_exist()
    check_new_password(session, person, password, fingerprint=fingerprint)


def password_resetter(
    new: NewPassword | None,
) -> Callable[[Session, ConfirmPasswordReset], dict[str, Any]]:
    """Return the use case that completes a recovery; without a valid link nothing was hashed.

    The hash is not part of the command: a repeated command has one with another salt.
    """

    def confirm_password_reset(session: Session, command: ConfirmPasswordReset) -> dict[str, Any]:
        """Set a new password by a link; return {}, or a counted refusal.

        All sessions of the person end, and a change of address; all places are strange again, the
        other links are void, and factors of the last days are removed. Refusals:
        ``password_reset_not_found``, ``too_many_attempts`` after many wrong links of a network.
        Raises ValidationFailed ``password_...``, NotFound ``person_not_found``.
        """
        read = session.read
        person_id = read.password_resets.person_of(command.token_digest, session.now)
        if person_id is None or new is None:
            return _wrong_link(session, command.network_index)
        # Two links of a person are tried one by one.
        credential = read.credentials.lock(person_id)
        reset_id = read.password_resets.use(command.token_digest)
        if credential is None or reset_id is None:
            return refusal("password_reset_not_found")
        person = session.load(Person, person_id)
        person.must_exist()
        check_new_password(session, person, command.new_password, fingerprint=new.fingerprint)
        read.password_resets.drop_of(person.id)
        read.credentials.set_chosen(person.id, new.hash)
        leave_nobody(session, person.id)
        distrust(session, person.id)
        read.sign_in_links.drop_all(person.id)
        read.attempts.clear_of(credential.email_index)
        person.change_password(PasswordOrigin.RESET)
        session.security.note("password_reset", person_id=person.id)
        session.load(PasswordReset, reset_id).complete()
        return {}

    return confirm_password_reset


def _wrong_link(session: Session, network_index: bytes) -> dict[str, Any]:
    wait = session.read.attempts.take(WRONG_LINKS, network_index, session.now)
    if wait:
        return refusal("too_many_attempts", **WRONG_LINKS.exceeded(wait))
    return refusal("password_reset_not_found")
