"""What the RPCs of the help desk work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from services.helpdesk import application, attachments, handling
from services.helpdesk.answers import Summaries
from services.helpdesk.departments import load_directory
from services.helpdesk.due_days import DueDays
from services.helpdesk.views import QuestionView
from shared.eventstore import Session
from shared.rpc.server import RpcClientProvider, StoreProvider
from shared.working_days import load_working_days

C = TypeVar("C")


class HelpdeskRpcs:
    """The store, the other services, the directory of departments, and the use cases."""

    store = StoreProvider()
    services = RpcClientProvider()
    directory = load_directory()
    calendar = load_working_days()
    days = DueDays(directory, calendar)
    use_cases = application.QuestionUseCases(directory, calendar)
    staff_use_cases = handling.StaffUseCases(directory, calendar)

    def contents_of(self, ids: list[UUID]) -> tuple[str, ...]:
        """Return what `attachments.contents_of` does; asks nothing without files."""
        if not ids:
            return ()
        found: tuple[str, ...] = self.store.query(
            lambda session: attachments.contents_of(session, ids)
        )
        return found

    def _summaries(self) -> Summaries:
        return Summaries(self.directory, self.days, self.store.clock.today())

    def _id_of(self, question: str) -> UUID:
        found: UUID = self.store.query(
            lambda session: application.question_id_of(session, question)
        )
        return found

    def _write(
        self, handler: Callable[[Session, C], dict[str, Any]], command: C, dry_run: bool
    ) -> dict[str, Any]:
        """Execute a command; a dry run decides on it in a transaction that cannot write."""
        if not dry_run:
            result: dict[str, Any] = self.store.execute(handler, command)
            return result
        return {**self.store.query(lambda session: handler(session, command)), "dry_run": True}


def closed_of(session: Session, *views: QuestionView) -> set[str]:
    """Return the keys of those accounts of questions that are closed."""
    closed: set[str] = session.read.closed_accounts(
        {view.account for view in views if view.account}
    )
    return closed
