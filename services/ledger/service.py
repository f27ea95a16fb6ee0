"""The ledger on the bus: its RPC methods. Payments reach it as events, see ``reactions.py``."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.ledger import application, schemas, statements
from services.ledger.penalties.rules import PenaltyRules, load_rules
from services.ledger.penalty_view import penalty
from services.ledger.receipts import payment_proofs
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

    @rpc(schemas.Penalty)
    def penalty(self, number: str, on: date | None) -> Any:
        """Answer the penalty of an account explained: now, as of a past day, or to come."""
        return self.store.query(
            lambda session: penalty(session, number, on or session.today, _rules())
        )

    @rpc(schemas.PaymentProofs)
    def payment_proofs(self, payment_id: UUID) -> Any:
        """Answer, for each posting of a payment, the proof that it stands in the sealed log."""
        return self.store.query(lambda session: payment_proofs(session, payment_id))


@lru_cache(maxsize=1)
def _rules() -> PenaltyRules:
    # Rules change by a deployment, or by a file that is read when the process starts.
    return load_rules()
