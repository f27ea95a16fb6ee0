"""The ledger on the bus: its RPC methods.

Payments of the cabinet reach it as events, see ``reactions.py``; those that others have taken are
posted by an RPC, at the desk of this process, where commands that arrive together are committed
together.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.ledger import application, schemas
from services.ledger.application import PaidLine, PostPayment
from services.ledger.group_commit import posting_desk
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.rules import PenaltyRules, load_rules
from services.ledger.reports import balances, bills, history, statements
from services.ledger.seal.receipts import payment_proofs
from shared import context
from shared.errors import Forbidden
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore
from shared.rpc.server import StoreProvider, rpc


class LedgerService:
    """Balances, months, movements; amounts in kopecks."""

    name = "ledger"
    store = StoreProvider()

    @rpc(schemas.Balance)
    def balance(self, number: str, as_of: str | None) -> Any:
        """Return the balance of one account, now or as of a past day or instant."""
        return self.store.query(lambda session: balances.balance(session, number, as_of))

    @rpc(schemas.Balances)
    def balances(self, numbers: list[str]) -> Any:
        """Return the balances of several accounts, now."""
        return self.store.query(lambda session: balances.balances(session, numbers))

    @rpc(schemas.Charges)
    def charges(self, number: str, before: str | None, limit: int) -> Any:
        """Return the months of an account with their lines, newest first."""
        return self.store.query(lambda session: statements.charges(session, number, before, limit))

    @rpc(schemas.Statement)
    def statement(self, number: str, after: int | None, limit: int) -> Any:
        """Return the movements of an account with the balance after each."""
        return self.store.query(lambda session: statements.statement(session, number, after, limit))

    @rpc(schemas.Bill)
    def bill(self, number: str, period: str) -> Any:
        """Return the bill of a month, with what the account did since the bill before."""
        return self.store.query(lambda session: bills.bill(session, number, period))

    @rpc(schemas.StatementBetween)
    def statement_between(
        self, number: str, first_day: date, last_day: date, after: int, limit: int
    ) -> Any:
        """Return the movements of an account from one day to another, and their totals."""
        return self.store.query(
            lambda session: history.statement_between(
                session, number, first_day, last_day, after, limit
            )
        )

    @rpc(schemas.PaymentPostings)
    def payment_postings(self, payment_id: UUID) -> Any:
        """Return where a payment stands in the ledger."""
        return self.store.query(lambda session: statements.payment_postings(session, payment_id))

    @rpc(schemas.Penalty)
    def penalty(self, number: str, on: date | None) -> Any:
        """Return the penalty of an account explained: now, as of a past day, or to come."""
        return self.store.query(
            lambda session: penalty(session, number, on or session.today, _rules())
        )

    @rpc(schemas.PaymentProofs)
    def payment_proofs(self, payment_id: UUID) -> Any:
        """Answer, for each posting of a payment, the proof that it stands in the sealed log."""
        return self.store.query(lambda session: payment_proofs(session, payment_id))

    @rpc(schemas.PostPayment)
    def post_payment(self, payment_id: UUID, paid_on: date, lines: list[dict[str, Any]]) -> Any:
        """Post a payment to its accounts, all or none, and each once by its ``payment_id``.

        Answers ``{payment_id, posted: [account]}``, without those it was posted to already.
        Raises Forbidden ``posted_by_services`` for a person of the cabinet, whose payments the
        acquirer confirms; NotFound ``account_not_found``; ValidationFailed for sums.
        """
        if context.current().actor.partition(":")[0] not in ("service", "staff"):
            raise Forbidden(
                "posted_by_services", "Payments are posted by staff and by services; pay by card."
            )
        command = PostPayment(
            payment_id=payment_id,
            paid_on=paid_on,
            lines=tuple(PaidLine(**line) for line in lines),
        )
        return _desk(self.store).execute(application.post_payment, command)


@lru_cache(maxsize=1)
def _desk(store: PostgresStore) -> GroupCommit:
    # One for the whole process: only commands that meet at it can be committed together.
    return posting_desk(store)


@lru_cache(maxsize=1)
def _rules() -> PenaltyRules:
    # Rules change by a deployment, or by a file that is read when the process starts.
    return load_rules()
