"""What registration, sign-in and recovery share: counted attempts, check codes, sealed data."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import UUID

import msgspec

from services.identity.limits import CODE_ATTEMPTS, CODE_LIFE, Limit
from services.identity.refusals import refusal, refused
from shared.errors import NotFound
from shared.eventstore import Session


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The base of commands: they hold what a log must not, so their repr shows nothing."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class IssueCode(Command, frozen=True, kw_only=True):
    """``owner_id`` is a registration or a password reset; ``digest`` that of a fresh code."""

    owner_id: UUID
    digest: bytes


def await_code(session: Session, owner_id: UUID, purpose: str, email_index: bytes) -> None:
    """Open the count of a code's attempts: it runs whether a letter will go out or not."""
    session.read.codes.open(
        owner_id,
        purpose,
        email_index,
        attempts=CODE_ATTEMPTS,
        now=session.now,
        expires_at=session.now + CODE_LIFE,
    )


def issue_code(session: Session, owner_id: UUID, digest: bytes | None) -> None:
    """Let a fresh code count from now."""
    session.read.codes.issue(
        owner_id, digest, attempts=CODE_ATTEMPTS, expires_at=session.now + CODE_LIFE
    )


def try_code(session: Session, code: Any, digest: bytes) -> dict[str, Any] | None:
    """Try a locked code: None when it is right, else the refusal to answer with."""
    if code.attempts_left <= 0:
        return refusal("code_attempts_used_up")
    if session.now >= code.expires_at:
        return refusal("code_expired")
    if code.digest is None or not hmac.compare_digest(code.digest, digest):
        session.read.codes.miss(code.owner_id)
        return refusal("wrong_code", attempts_left=code.attempts_left - 1)
    return None


def take_or_raise(session: Session, limit: Limit, subject: bytes) -> None:
    """Count one use of a limit, or raise Forbidden ``too_many_attempts``."""
    wait = session.read.attempts.take(limit, subject, session.now)
    if wait:
        raise refused("too_many_attempts", retry_after_seconds=wait)


def revealed(session: Session, person_id: UUID, sealed: str) -> str:
    """Return a person's datum in clear. Raises NotFound ``person_not_found`` when it is erased."""
    text = session.vault.reveal(person_id, sealed)
    if text is None:
        raise NotFound("person_not_found", "There is no such person.")
    return text
