"""The RPCs for mailings: who has new bills, who is to pay soon, who is late."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.ledger.penalties.law import law_in_force
from services.ledger.reports import mailing
from services.ledger.rpcs import mailing_schemas as schemas
from shared.rpc.server import StoreProvider, rpc


class MailingRpcs:
    """Pages for notifications; see `reports.mailing`."""

    store = StoreProvider()

    @rpc(schemas.BillingRuns, callers=("notifications",))
    def billing_runs(self, after: int) -> Any:
        """Return the imports of charges that were finished after a position of the log."""
        return self.store.query(lambda session: mailing.billing_runs(session, after))

    @rpc(schemas.Billed, callers=("notifications",))
    def billed(self, file_digest: str, after: int, through: int, limit: int) -> Any:
        """Return a page of the bills that an import has posted."""
        return self.store.query(
            lambda session: mailing.billed(session, file_digest, after, through, limit)
        )

    @rpc(schemas.DebtsDue, callers=("notifications",))
    def debts_due(self, due_on: date, after: str, limit: int) -> Any:
        """Return a page of the debts that are due on a day."""
        return self.store.query(lambda session: mailing.debts_due(session, due_on, after, limit))

    @rpc(schemas.DebtsBeforePenalty, callers=("notifications",))
    def debts_before_penalty(self, first_day: date, after: str, limit: int) -> Any:
        """Return a page of the overdue debts that bear a penalty from a day on."""
        return self.store.query(
            lambda session: mailing.debts_before_penalty(
                session, first_day, after, limit, law_in_force()
            )
        )

    @rpc(schemas.OpenDebts, callers=("notifications",))
    def open_debts(self, accounts: list[str]) -> Any:
        """Return what accounts owe now, by due day."""
        return self.store.query(lambda session: mailing.open_debts(session, accounts))
