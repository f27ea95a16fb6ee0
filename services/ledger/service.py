"""The ledger on the bus: its RPC methods.

Payments of the cabinet arrive as events, see ``reactions.py``; those taken elsewhere are posted by
an RPC, and committed together with others that arrive at the same time.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.ledger import application, schemas
from services.ledger.application import PaidLine, PostPayment
from services.ledger.group_commit import ledger_group_commit
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.rules import PenaltyRules, load_rules
from services.ledger.reports import balances, bills, history, statements
from services.ledger.seal.keys import seal_keys
from services.ledger.seal.receipts import checked_proof, last_checkpoint, payment_proofs
from shared import context
from shared.config import GATEWAY
from shared.errors import Forbidden
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore
from shared.rpc.callers import staff
from shared.rpc.server import SettingsProvider, StoreProvider, rpc


class LedgerService:
    """Balances, months, movements; amounts in kopecks."""

    name = "ledger"
    store = StoreProvider()
    settings = SettingsProvider()

    @rpc(schemas.Balance, callers=(GATEWAY,))
    def balance(self, number: str, as_of: str | None) -> Any:
        """Return the balance of one account, now or as of a past day or instant."""
        return self.store.query(lambda session: balances.balance(session, number, as_of))

    @rpc(schemas.Balances, callers=(GATEWAY,))
    def balances(self, numbers: list[str]) -> Any:
        """Return the balances of several accounts, now."""
        return self.store.query(lambda session: balances.balances(session, numbers))

    @rpc(schemas.Charges, callers=(GATEWAY,))
    def charges(self, number: str, before: str | None, limit: int) -> Any:
        """Return the months of an account with their lines, newest first."""
        return self.store.query(lambda session: statements.charges(session, number, before, limit))

    @rpc(schemas.ChargesOfAccounts, callers=(GATEWAY,))
    def charges_of_accounts(self, numbers: list[str], limit: int) -> Any:
        """Return the newest months of several accounts, each with where to go on."""
        return self.store.query(
            lambda session: statements.charges_of_accounts(session, numbers, limit)
        )

    @rpc(schemas.Statement, callers=(GATEWAY,))
    def statement(self, number: str, after: int | None, limit: int) -> Any:
        """Return the movements of an account with the balance after each."""
        return self.store.query(lambda session: statements.statement(session, number, after, limit))

    @rpc(schemas.Bill, callers=(GATEWAY,))
    def bill(self, number: str, period: str) -> Any:
        """Return the bill of a month, with what the account did since the bill before."""
        return self.store.query(lambda session: bills.bill(session, number, period))

    @rpc(schemas.StatementBetween, callers=(GATEWAY,))
    def statement_between(
        self, number: str, first_day: date, last_day: date, after: int, limit: int
    ) -> Any:
        """Return the movements of an account from one day to another, and their totals."""
        return self.store.query(
            lambda session: history.statement_between(
                session, number, first_day, last_day, after, limit
            )
        )

    @rpc(schemas.StatementsBetween, callers=(GATEWAY,))
    def statements_between(
        self, numbers: list[str], first_day: date, last_day: date, after: int, limit: int
    ) -> Any:
        """Return the movements of several accounts from one day to another, and their totals."""
        return self.store.query(
            lambda session: history.statements_between(
                session, numbers, first_day, last_day, after, limit
            )
        )

    @rpc(schemas.PaymentPostings, callers=(GATEWAY,))
    def payment_postings(self, payment_id: UUID) -> Any:
        """Return the postings of a payment in the ledger."""
        return self.store.query(lambda session: statements.payment_postings(session, payment_id))

    @rpc(schemas.Penalty, callers=(GATEWAY,))
    def penalty(self, number: str, on: date | None) -> Any:
        """Return the penalty of an account explained: today, as of a past day, or as a forecast."""
        return self.store.query(
            lambda session: penalty(session, number, on or session.today, _rules())
        )

    @rpc(schemas.PaymentProofs, callers=(GATEWAY,))
    def payment_proofs(self, payment_id: UUID) -> Any:
        """Return, for each posting of a payment, the proof of its inclusion in the sealed log."""
        return self.store.query(lambda session: payment_proofs(session, payment_id))

    @rpc(schemas.PostingsOfPayments, callers=(GATEWAY,))
    def postings_of_payments(self, payment_ids: list[UUID]) -> Any:
        """Return where several payments stand in the ledger."""
        return self.store.query(
            lambda session: statements.postings_of_payments(session, payment_ids)
        )

    @rpc(schemas.VerifyProof, callers=(GATEWAY,))
    def verify_proof(self, proof: dict[str, Any]) -> Any:
        """Return which record an inclusion proof proves, and since when it is sealed."""
        trusted = seal_keys(self.settings).trusted
        return self.store.query(lambda session: checked_proof(session, proof, trusted))

    @rpc(schemas.LastCheckpoint, callers=(GATEWAY,))
    def last_checkpoint(self) -> Any:
        """Return the last sealed checkpoint, or None in its place before the first."""
        return self.store.query(last_checkpoint)

    @rpc(schemas.VerifierKeys, callers=(GATEWAY,))
    def verifier_keys(self) -> Any:
        """Return the verifier keys, the one that signs now first."""
        return {"keys": [str(key) for key in seal_keys(self.settings).trusted]}

    @rpc(schemas.PostPayment, callers=(staff("post-payment"),))
    def post_payment(self, payment_id: UUID, paid_on: date, lines: list[dict[str, Any]]) -> Any:
        """Post a payment to its accounts, all or none, and each once by its ``payment_id``.

        Returns ``{payment_id, posted: [account]}``, without those it was posted to already.
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
        return _group_commit(self.store).execute(application.post_payment, command)


@lru_cache(maxsize=1)
def _group_commit(store: PostgresStore) -> GroupCommit:
    # One for the whole process: only its own commands can be committed together.
    return ledger_group_commit(store)


@lru_cache(maxsize=1)
def _rules() -> PenaltyRules:
    # Rules change by a deployment, or by a file that is read when the process starts.
    return load_rules()
