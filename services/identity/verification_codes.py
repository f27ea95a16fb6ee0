"""Verification codes of registrations: requested, issued by letter, then tried.

Six digits can be guessed if there are tries enough, so they are limited per code, per registration,
per network and in total. Under attack the codes have twelve digits instead: nobody can spend the
tries of a person who reads the letter.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.limits import (
    ATTEMPTS_OF_REGISTRATION,
    CODE_ATTEMPTS,
    CODE_LIFE,
    LETTERS_OF_ADDRESS,
    LETTERS_OF_NETWORK,
    REGISTRATION_LETTERS,
    WRONG_CODES,
    WRONG_CODES_OF_NETWORK,
)
from services.identity.rate_limits import enforce_limit
from services.identity.refusals import refusal
from shared.eventstore import Session

_EVERYBODY = b"everybody"


class IssueCode(Command, frozen=True, kw_only=True):
    """The digests of two fresh codes for a registration, of which one is stored."""

    owner_id: UUID
    digest: bytes
    long_digest: bytes


def count_letter(session: Session, email_index: bytes, network_index: bytes) -> bool:
    """Count a letter with a code; return whether the code has to be long.

    Raises Forbidden ``too_many_attempts`` for a network, or its letters to an address.
    """
    attempts, now = session.read.attempts, session.now
    enforce_limit(session, LETTERS_OF_NETWORK, network_index)
    pair = hashlib.sha256(network_index + email_index).digest()
    enforce_limit(session, REGISTRATION_LETTERS, pair)
    many = attempts.take(LETTERS_OF_ADDRESS, email_index, now) > 0
    return many or _is_guessing(session, network_index)


def open_code(session: Session, owner_id: UUID, email_index: bytes, network_index: bytes) -> None:
    """Start counting the attempts at a code, whether or not a letter will be sent.

    Raises what `count_letter` raises.
    """
    session.read.codes.open(
        owner_id,
        "registration",
        email_index,
        attempts=CODE_ATTEMPTS,
        now=session.now,
        expires_at=session.now + CODE_LIFE,
        long=count_letter(session, email_index, network_index),
    )


def issue_code(session: Session, owner_id: UUID, digest: bytes | None) -> None:
    """Replace the code by a fresh one, which is valid from now."""
    session.read.codes.issue(
        owner_id, digest, attempts=CODE_ATTEMPTS, expires_at=session.now + CODE_LIFE
    )


def try_code(
    session: Session, code: Any, digest: bytes, network_index: bytes
) -> dict[str, Any] | None:
    """Try a locked code; return None when it is right, else the refusal to return."""
    if code.wrong >= ATTEMPTS_OF_REGISTRATION:
        return refusal("registration_attempts_used_up")
    if code.attempts_left <= 0:
        return refusal("code_attempts_used_up")
    if session.now >= code.expires_at:
        return refusal("code_expired")
    if not code.sent_long and _is_guessing(session, network_index):
        return refusal("code_attempts_used_up")
    if code.digest is None or not hmac.compare_digest(code.digest, digest):
        session.read.codes.miss(code.owner_id)
        session.read.attempts.take(WRONG_CODES_OF_NETWORK, network_index, session.now)
        session.read.attempts.take(WRONG_CODES, _EVERYBODY, session.now)
        return refusal("wrong_code", attempts_left=code.attempts_left - 1)
    return None


def _is_guessing(session: Session, network_index: bytes) -> bool:
    attempts, now = session.read.attempts, session.now
    waits = (
        attempts.wait(WRONG_CODES_OF_NETWORK, network_index, now),
        attempts.wait(WRONG_CODES, _EVERYBODY, now),
    )
    return any(waits)
