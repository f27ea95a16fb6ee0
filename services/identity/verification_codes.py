"""Verification codes: opened with a registration or a recovery, issued by letter, then tried."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import UUID

from services.identity.commands import Command
from services.identity.limits import CODE_ATTEMPTS, CODE_LIFE
from services.identity.refusals import refusal
from shared.eventstore import Session


class IssueCode(Command, frozen=True, kw_only=True):
    """``owner_id`` is a registration or a password reset; ``digest`` that of a fresh code."""

    owner_id: UUID
    digest: bytes


def open_code(session: Session, owner_id: UUID, purpose: str, email_index: bytes) -> None:
    """Start counting the attempts at a code, whether or not a letter will be sent."""
    session.read.codes.open(
        owner_id,
        purpose,
        email_index,
        attempts=CODE_ATTEMPTS,
        now=session.now,
        expires_at=session.now + CODE_LIFE,
    )


def issue_code(session: Session, owner_id: UUID, digest: bytes | None) -> None:
    """Replace the code by a fresh one, which is valid from now."""
    session.read.codes.issue(
        owner_id, digest, attempts=CODE_ATTEMPTS, expires_at=session.now + CODE_LIFE
    )


def try_code(session: Session, code: Any, digest: bytes) -> dict[str, Any] | None:
    """Try a locked code; return None when it is right, else the refusal to return."""
    if code.attempts_left <= 0:
        return refusal("code_attempts_used_up")
    if session.now >= code.expires_at:
        return refusal("code_expired")
    if code.digest is None or not hmac.compare_digest(code.digest, digest):
        session.read.codes.miss(code.owner_id)
        return refusal("wrong_code", attempts_left=code.attempts_left - 1)
    return None
