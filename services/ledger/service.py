"""The ledger on the bus: its RPC methods. Payments reach it as events, see ``reactions.py``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.ledger import application, schemas, statements
from shared.rpc.server import StoreProvider, rpc


class LedgerService:
    """Balances, months, movements; amounts in kopecks."""

    name = "ledger"
    store = StoreProvider()

    @rpc(schemas.Balance)
    def balance(self, number: str, as_of: str | None) -> Any:
        """Answer the balance of one account, now or as of a past day or instant."""
        return self.store.query(lambda session: application.balance(session, number, as_of))

    @rpc(schemas.Balances)
    def balances(self, numbers: list[str]) -> Any:
        """Answer the balances of several accounts, now."""
        return self.store.query(lambda session: application.balances(session, numbers))

    @rpc(schemas.Charges)
    def charges(self, number: str, before: str | None, limit: int) -> Any:
        """Answer the months of an account with their lines, newest first."""
        return self.store.query(lambda session: statements.charges(session, number, before, limit))

    @rpc(schemas.Statement)
    def statement(self, number: str, after: int | None, limit: int) -> Any:
        """Answer the movements of an account with the balance after each."""
        return self.store.query(lambda session: statements.statement(session, number, after, limit))

    @rpc(schemas.PaymentPostings)
    def payment_postings(self, payment_id: UUID) -> Any:
        """Answer where a payment stands in the ledger."""
        return self.store.query(lambda session: statements.payment_postings(session, payment_id))
