"""Use cases: signing in with a password, or by the link of a letter.

Whose attempts count where: a wrong password on a known device counts against that device alone;
elsewhere against the pair of address and network, which slows down but never locks, and against
the network and the address as a whole. Beyond those two a stranger's right password opens nothing:
it has a letter with a link sent to the mailbox, and the answer is that of a wrong one. So no number
of guesses, from however many networks, takes anything from whoever has the password.

Passwords are verified between two transactions, so that no database connection waits. The result
is valid only as long as the stored hash is still the one that was verified.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.credentials import Credential
from services.identity.domain import Person
from services.identity.limits import (
    SIGN_IN_LETTERS,
    SIGN_IN_LINK_LIFE,
    SIGN_IN_OF_DEVICE,
    SIGN_IN_OF_EMAIL,
    SIGN_IN_OF_NETWORK,
    SIGN_IN_OF_PAIR,
    VERIFICATIONS_OF_NETWORK,
    Delay,
)
from services.identity.places import Place
from services.identity.profile import contact_of
from services.identity.refusals import refusal
from services.identity.second_step import enter
from shared.errors import NotFound
from shared.eventstore import Session
from shared.ids import new_id
from shared.letters import LETTER_LIFE


class BeginSignIn(Command, frozen=True, kw_only=True):
    email_index: bytes
    place: Place


class FailSignIn(Command, frozen=True, kw_only=True):
    """A wrong password, where `begin_sign_in` found the device or the network known or not."""

    email_index: bytes
    network_index: bytes
    known_device: bool
    known_network: bool


class FinishSignIn(Command, frozen=True, kw_only=True):
    """``verified_hash`` is the one that matched; ``stronger_hash`` replaces it unless None."""

    person_id: UUID
    verified_hash: str
    stronger_hash: str | None
    email_index: bytes
    token_digest: bytes
    place: Place


class SignInByLink(Command, frozen=True, kw_only=True):
    link_digest: bytes
    token_digest: bytes
    place: Place


class IssueSignInLink(Command, frozen=True, kw_only=True):
    link_id: UUID
    link_digest: bytes


def begin_sign_in(session: Session, command: BeginSignIn) -> dict[str, Any]:
    """Count an attempt; return what to verify, or ``too_many_attempts``.

    That is {person_id|None, password_hash|None, known_device, known_network, if_wrong}, the last
    the refusal of a wrong password. The attempt is counted before the password is verified, so
    that concurrent guesses of one place cannot exceed its limit; a right password clears them.
    """
    read, now, place = session.read, session.now, command.place
    credential = read.credentials.of_email(command.email_index)
    known_device, known_network = _known(session, credential, place)
    stranger = not (known_device or known_network)
    over = not known_device and read.attempts.wait(SIGN_IN_OF_NETWORK, place.network_index, now)
    busy = 0
    if over:
        busy = read.attempts.wait(VERIFICATIONS_OF_NETWORK, place.network_index, now)
    # As a stranger is answered there: whose network this is must not show.
    slowly = refusal("too_many_attempts", **VERIFICATIONS_OF_NETWORK.exceeded(busy))
    if busy and stranger:
        return slowly
    delay, subject = _counted(command.email_index, credential, place, known_device=known_device)
    wait = read.attempts.slow(delay, subject, command.email_index, now)
    if wait:
        return slowly if busy else refusal("too_many_attempts", **delay.exceeded(wait))
    if over and not busy:
        read.attempts.take(VERIFICATIONS_OF_NETWORK, place.network_index, now)
    if_wrong = refusal("wrong_credentials")
    if busy:
        if_wrong = slowly
    elif over or (
        not known_device and read.attempts.wait(SIGN_IN_OF_EMAIL, command.email_index, now)
    ):
        if_wrong = refusal("sign_in_by_letter")
    return {
        "person_id": None if credential is None else str(credential.person_id),
        "password_hash": None if credential is None else credential.password_hash,
        "known_device": known_device,
        "known_network": known_network,
        "if_wrong": if_wrong,
    }


def fail_sign_in(session: Session, command: FailSignIn) -> None:
    """Count a wrong password against the network, and the address, of whoever is not known."""
    attempts, now = session.read.attempts, session.now
    if command.known_device:
        return
    attempts.take(SIGN_IN_OF_NETWORK, command.network_index, now)
    if not command.known_network:
        index = command.email_index
        attempts.take(SIGN_IN_OF_EMAIL, index, now, owner=index)


def finish_sign_in(session: Session, command: FinishSignIn) -> dict[str, Any]:
    """Open a session as `enter` does, or return a refusal.

    ``wrong_credentials`` (the password was changed in between), ``temporary_password_expired``, or
    ``sign_in_by_letter`` for a stranger while others guess.
    """
    read = session.read
    credential = read.credentials.lock(command.person_id)
    if credential is None or credential.password_hash != command.verified_hash:
        return refusal("wrong_credentials")
    if command.stronger_hash is not None:
        read.credentials.rehash(command.person_id, command.stronger_hash)
    known_device, known_network = _known(session, credential, command.place)
    read.attempts.clear(
        *_counted(command.email_index, credential, command.place, known_device=known_device)
    )
    stranger = not (known_device or known_network)
    # Asked again: guesses that were verified at the same time may have gone beyond the limit.
    if stranger and _is_guarded(session, command.email_index, command.place):
        _request_link(session, command.person_id)
        return refusal("sign_in_by_letter")
    if _is_expired(session, credential):
        return refusal("temporary_password_expired")
    return enter(session, command.person_id, command.token_digest, command.place, "password")


def sign_in_by_link(session: Session, command: SignInByLink) -> dict[str, Any]:
    """Open a session as `enter` does by the link of a letter, which is used up.

    Or return a refusal: ``sign_in_link_expired``, ``temporary_password_expired``.
    """
    person_id = session.read.sign_in_links.take(command.link_digest, session.now)
    credential = None if person_id is None else session.read.credentials.lock(person_id)
    if credential is None:
        return refusal("sign_in_link_expired")
    if _is_expired(session, credential):
        return refusal("temporary_password_expired")
    return enter(session, credential.person_id, command.token_digest, command.place, "letter")


def issue_sign_in_link(session: Session, command: IssueSignInLink) -> dict[str, Any]:
    """Store the token of a link for the letter being written; return {email, language}.

    Raises NotFound ``sign_in_link_not_found`` or ``person_not_found``.
    """
    expires_at = session.now + SIGN_IN_LINK_LIFE
    person_id = session.read.sign_in_links.issue(command.link_id, command.link_digest, expires_at)
    if person_id is None:
        raise NotFound("sign_in_link_not_found", "There is no such link: no letter is sent.")
    person = session.load(Person, person_id)
    person.must_exist()
    return contact_of(session, person)


def _known(session: Session, credential: Credential | None, place: Place) -> tuple[bool, bool]:
    """Return whether the device, and the network, are known to be the person's."""
    if credential is None:
        return False, False
    read, now, who = session.read, session.now, credential.person_id
    return (
        read.devices.is_known(who, place.device_digest, now),
        read.networks.is_known(who, place.network_index, now),
    )


def _counted(
    email_index: bytes, credential: Credential | None, place: Place, *, known_device: bool
) -> tuple[Delay, bytes]:
    """Return what slows this attempt down, and the subject that it is counted of."""
    if known_device and credential is not None and place.device_digest is not None:
        return SIGN_IN_OF_DEVICE, credential.person_id.bytes + place.device_digest
    return SIGN_IN_OF_PAIR, email_index + place.network_index


def _is_guarded(session: Session, email_index: bytes, place: Place) -> bool:
    """Return whether strangers sign in by letter here: too many wrong passwords were tried."""
    attempts, now = session.read.attempts, session.now
    return bool(
        attempts.wait(SIGN_IN_OF_NETWORK, place.network_index, now)
        or attempts.wait(SIGN_IN_OF_EMAIL, email_index, now)
    )


def _is_expired(session: Session, credential: Credential) -> bool:
    if not credential.temporary:
        return False
    return credential.expires_at is None or credential.expires_at <= session.now


def _request_link(session: Session, person_id: UUID) -> None:
    """Have a letter with a link written; above the limit none, and nobody is told."""
    read, now = session.read, session.now
    if read.attempts.take(SIGN_IN_LETTERS, person_id.bytes, now):
        return
    link_id = new_id()
    read.sign_in_links.open(link_id, person_id, now + LETTER_LIFE)
    session.load(Person, person_id).request_sign_in_link(link_id)
