"""The RPCs of notifications: decode, one use case, encode."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifications import application, choosing, lateness, schemas, staff_letters
from services.notifications.mailings import overview
from services.notifications.rpcs.choices import ChoiceRpcs
from shared import context
from shared.config import GATEWAY
from shared.ids import new_id
from shared.rpc.callers import staff
from shared.rpc.server import Nothing, StoreProvider, rpc

MOST_LETTERS = 10_000
"""What is told of one person."""
FAILURES_OF = timedelta(days=30)
"""How far back failures are counted where nobody says since when."""


class NotificationsService(ChoiceRpcs):
    """Lists letters, and which of them are wanted; the worker sends them."""

    name = "notifications"
    store = StoreProvider()

    @rpc(schemas.PersonId, callers=("identity",))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return {letters, choices} of a person: which were sent when, no text; what he chose."""
        query = application.LettersOf(person_id=person_id, limit=MOST_LETTERS)
        found: dict[str, Any] = self.store.query(
            lambda session: {
                **application.letters_of(session, query),
                **choosing.held_choices(session, person_id),
            }
        )
        return found

    @rpc(schemas.Letters, callers=(GATEWAY,))
    def letters(self, person_id: UUID, limit: int) -> dict[str, Any]:
        """Return {letters: [{letter_id, kind, state, reason|None, queued_at, sent_at|None}]}."""
        query = application.LettersOf(person_id=person_id, limit=limit)
        found: dict[str, Any] = self.store.query(
            lambda session: application.letters_of(session, query)
        )
        return found

    @rpc(Nothing, callers=(GATEWAY,))
    def delivery(self) -> dict[str, Any]:
        """Return {late} for whoever waits for a letter."""
        found: dict[str, Any] = self.store.query(lateness.delivery)
        return found

    # For staff

    @rpc(schemas.ListLetters, callers=(staff("read"),))
    def letters_listed(self, **conditions: Any) -> dict[str, Any]:
        """Return {letters: [...]} of anybody, newest first; the security log has whose and who."""
        query = staff_letters.ListLetters(**conditions)
        found: dict[str, Any] = self.store.transact(staff_letters.listed, query)
        return found

    @rpc(schemas.LetterShown, callers=(staff("read"),))
    def letter_shown(self, letter_id: UUID) -> dict[str, Any]:
        """Return a letter with what it is about and its history; the security log has who."""
        found: dict[str, Any] = self.store.transact(staff_letters.shown, letter_id)
        return found

    @rpc(schemas.LettersFailed, callers=(staff("read"),))
    def letters_failed(self, since: datetime | None) -> dict[str, Any]:
        """Return {failures: [...]}: how many letters failed or came back, by kind and reason."""
        found: dict[str, Any] = self.store.query(
            lambda session: staff_letters.failures(session, since or session.now - FAILURES_OF)
        )
        return found

    @rpc(schemas.Mailings, callers=(staff("read"),))
    def mailings(self, limit: int) -> dict[str, Any]:
        """Return {mailings: [...]}, newest first; see `overview.mailings`."""
        found: dict[str, Any] = self.store.query(lambda session: overview.mailings(session, limit))
        return found

    @rpc(schemas.Resend, callers=(staff("resend"),))
    def resend(self, letter_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        """Queue a letter again; raises as `staff_letters.resend`."""
        command = staff_letters.Resend(letter_id=letter_id, reason=reason, dry_run=dry_run)
        if dry_run:
            checked: dict[str, Any] = self.store.query(
                lambda session: staff_letters.resend(session, command)
            )
            return {**checked, "dry_run": True}
        with context.bind(command_id=new_id()):
            queued: dict[str, Any] = self.store.execute(staff_letters.resend, command)
            return queued
