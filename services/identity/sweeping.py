"""The use case that deletes what has expired."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.identity.commands import Command
from services.identity.domain import Registration
from services.identity.limits import (
    PASSWORD_RESET_LIFE,
    REGISTRATION_LIFE,
    SESSION_IDLE_LIFE,
    SUPPORT_CODE_LIFE,
)
from shared.eventstore import Session

SWEEP_BATCH = 100
"""Registrations abandoned in one transaction."""


class Sweep(Command, frozen=True, kw_only=True):
    """Delete expired rows."""


def sweep(session: Session, _: Sweep) -> int:
    """Abandon old registrations and delete expired rows; return how many there were.

    The key of an abandoned registration is destroyed, so that nothing of it stays readable.
    """
    read, now = session.read, session.now
    deleted: int = read.sessions.sweep(now, SESSION_IDLE_LIFE) + sum(
        table.sweep(now)
        for table in (
            read.attempts,
            read.devices,
            read.networks,
            read.second_factors.challenges,
            read.sign_in_links,
        )
    )
    deleted += read.support_codes.sweep(now - SUPPORT_CODE_LIFE)
    deleted += read.password_resets.sweep(now - PASSWORD_RESET_LIFE)
    expired = read.codes.opened_before("registration", now - REGISTRATION_LIFE, SWEEP_BATCH)
    abandon_registrations(session, expired)
    return deleted + len(expired)


def abandon_registrations(session: Session, registration_ids: Sequence[UUID]) -> None:
    """Abandon open registrations, and destroy the keys under which their data is sealed."""
    codes = session.read.codes
    # A code that is already gone belongs to a registration that was confirmed just now.
    for registration_id in [owner_id for owner_id in registration_ids if codes.drop(owner_id)]:
        registration = session.load(Registration, registration_id)
        registration.abandon()
        session.vault.destroy(registration.person_id)
