"""The ledger on the bus: its RPC methods.

Payments of the cabinet arrive as events, see ``reactions.py``; those taken elsewhere are posted by
an RPC, and committed together with others that arrive at the same time.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from services.ledger import schemas, staff_commands, staff_schemas, taken_payments
from services.ledger.application import PaidLine, PostPayment
from services.ledger.corrections import proposals
from services.ledger.domain.events import ServiceAmount, TakenElsewhere
from services.ledger.domain.proposal import (
    OPEN,
    AdjustCharges,
    Correction,
    MovePayment,
    ReversePayment,
    WriteOffPenalty,
)
from services.ledger.group_commit import ledger_group_commit
from services.ledger.limits import CORRECTING
from services.ledger.papers.certificate import debt_on
from services.ledger.papers.reconciliation import reconciliation
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.accrual_record import accruals
from services.ledger.penalties.law import law_in_force
from services.ledger.penalties.schedule import read_schedule
from services.ledger.policy import policy
from services.ledger.reports import (
    advances,
    balances,
    bills,
    history,
    payment_days,
    payments,
    statements,
)
from services.ledger.reports.refundable import refundable
from services.ledger.rpcs.books import BookRpcs
from services.ledger.rpcs.disputes import DisputeRpcs
from services.ledger.rpcs.mailing import MailingRpcs
from services.ledger.seal.keys import verifier_keys_of
from services.ledger.seal.receipts import checked_proof, last_checkpoint, payment_proofs
from services.ledger.taken_payments import BankDocument, TakePayment, entered_documents
from services.ledger.tenures import asked_by_staff, meant
from shared.config import GATEWAY, Settings
from shared.eventstore import Session
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore
from shared.rpc.callers import staff
from shared.rpc.server import SettingsProvider, StoreProvider, rpc


class LedgerService(BookRpcs, DisputeRpcs, MailingRpcs):
    """Balances, months, movements; amounts in kopecks."""

    name = "ledger"
    settings: Settings = SettingsProvider()
    store = StoreProvider()

    @rpc(schemas.Balance, callers=(GATEWAY, staff("read")), together="balance_many")
    def balance(self, number: str, as_of: str | None) -> Any:
        """Return the balance of one account, now or as of a past day or instant."""
        return self.store.query(
            lambda session: balances.balance(
                session, meant(session, number), as_of, whole=asked_by_staff()
            )
        )

    def balance_many(self, calls: list[dict[str, Any]]) -> Any:
        """Return what `balance` does for each of many questions of persons."""
        return self.store.query(lambda session: balances.balance_many(session, calls))

    @rpc(schemas.Balances, callers=(GATEWAY,), together="balances_many")
    def balances(self, numbers: list[str]) -> Any:
        """Return the balances of several accounts, now."""
        return self.store.query(lambda session: balances.balances(session, numbers))

    def balances_many(self, calls: list[dict[str, Any]]) -> Any:
        """Return what `balances` does for each of many questions."""
        asked = [call["numbers"] for call in calls]
        return self.store.query(lambda session: balances.balances_many(session, asked))

    @rpc(schemas.KnownAccounts, callers=("payments",))
    def known_accounts(self, numbers: list[str]) -> Any:
        """Return ``{known}``: those numbers that are open accounts."""
        rows = self.store.query(lambda session: session.read.balances(numbers))
        return {"known": [row["number"] for row in rows]}

    @rpc(schemas.EnteredDocuments, callers=("payments",))
    def entered_documents(self, documents: list[dict[str, Any]]) -> Any:
        """Return ``{entered}``: the places of the documents that staff have posted by hand."""
        asked = [BankDocument(**one) for one in documents]
        entered = self.store.query(lambda session: entered_documents(session, asked))
        return {"entered": entered}

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
            lambda session: penalty(session, number, on or session.today, law_in_force())
        )

    @rpc(schemas.Reconciliation, callers=(GATEWAY, staff("read")))
    def reconciliation(self, number: str, first_day: date, last_day: date) -> Any:
        """Return what an act of reconciliation says; see `papers.reconciliation`."""
        return self.store.query(
            lambda session: reconciliation(session, meant(session, number), first_day, last_day)
        )

    @rpc(schemas.Debt, callers=(GATEWAY, staff("read")))
    def debt(self, number: str, on: date | None) -> Any:
        """Return what an account owes by the end of a day; see `papers.certificate`."""
        return self.store.query(
            lambda session: debt_on(session, meant(session, number), on or session.today)
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

    @rpc(schemas.Refundable, callers=(staff("read"),))
    def refundable(self, payment_id: UUID) -> Any:
        """Return what is left of a payment by account; see `refundable.refundable`."""
        return self.store.query(lambda session: refundable(session, payment_id))

    @rpc(schemas.VerifyProof, callers=(GATEWAY,))
    def verify_proof(self, proof: dict[str, Any]) -> Any:
        """Return which record an inclusion proof proves, and since when it is sealed."""
        trusted = verifier_keys_of(self.name)
        return self.store.query(lambda session: checked_proof(session, proof, trusted))

    @rpc(schemas.LastCheckpoint, callers=(GATEWAY,))
    def last_checkpoint(self) -> Any:
        """Return the last sealed checkpoint, or None in its place before the first."""
        return self.store.query(last_checkpoint)

    @rpc(schemas.VerifierKeys, callers=(GATEWAY,))
    def verifier_keys(self) -> Any:
        """Return the verifier keys, the one that signs now first."""
        return {"keys": [str(key) for key in verifier_keys_of(self.name)]}

    @rpc(schemas.PostPayment, callers=(staff("post-payment"),))
    def post_payment(self, payment_id: UUID, paid_on: date, lines: list[dict[str, Any]]) -> Any:
        """Post a payment that was taken elsewhere, all of it or nothing, once by its id.

        Returns ``{payment_id, posted: [account]}``, without those it was posted to already.
        Raises Forbidden ``above_limit``, NotFound ``account_not_found``, ValidationFailed for
        sums. Payments of the cabinet come as events, which the acquirer has confirmed.
        """
        command = PostPayment(
            payment_id=payment_id,
            paid_on=paid_on,
            lines=tuple(PaidLine(**line) for line in lines),
        )
        return taken_payments.post_payment_taken_elsewhere(
            self.store, _group_commit(self.store), command
        )

    @rpc(staff_schemas.TakePayment, callers=(staff("post-payment"),))
    def take_payment(
        self,
        account: str,
        amount: int,
        penalty: int,
        period: str | None,
        paid_on: date | None,
        dry_run: bool,
        **taken: Any,
    ) -> Any:
        """Post a payment of one account, once by its content; see `taken_payments.take_payment`."""
        line = PaidLine(account=account, amount=amount, penalty=penalty, period=period)
        asked = TakePayment(line=line, taken=TakenElsewhere(**taken), paid_on=paid_on)
        return taken_payments.take_payment(
            self.store, _group_commit(self.store), asked, dry_run=dry_run
        )

    @rpc(staff_schemas.Adjust, callers=(staff("adjust"),))
    def adjust(
        self,
        account: str,
        period: str,
        lines: list[dict[str, Any]],
        effective_on: date | None,
        **how: Any,
    ) -> Any:
        """Recalculate a bill; return as `corrections.correct`, or `corrections.preview`."""
        sums = tuple(ServiceAmount(**line) for line in lines)
        return self._correct(
            AdjustCharges(account=account, period=period, lines=sums, effective_on=effective_on),
            **how,
        )

    @rpc(staff_schemas.Reverse, callers=(staff("reverse"),))
    def reverse(
        self, payment_id: UUID, accounts: list[str], effective_on: date | None, **how: Any
    ) -> Any:
        """Reverse a payment; returns as `adjust`."""
        return self._correct(
            ReversePayment(
                payment_id=payment_id, accounts=tuple(accounts), effective_on=effective_on
            ),
            **how,
        )

    @rpc(staff_schemas.MovePayment, callers=(staff("reverse"),))
    def move_payment(
        self,
        payment_id: UUID,
        account: str,
        to_account: str,
        effective_on: date | None,
        **how: Any,
    ) -> Any:
        """Move a payment to the account that it was meant for; returns as `adjust`."""
        return self._correct(
            MovePayment(
                payment_id=payment_id,
                account=account,
                to_account=to_account,
                effective_on=effective_on,
            ),
            **how,
        )

    @rpc(staff_schemas.WriteOff, callers=(staff("write-off"),))
    def write_off(self, account: str, amount: int, effective_on: date | None, **how: Any) -> Any:
        """Waive a penalty; returns as `adjust`."""
        return self._correct(
            WriteOffPenalty(account=account, amount=amount, effective_on=effective_on), **how
        )

    @rpc(staff_schemas.Approve, callers=(staff("approve"),))
    def approve(self, proposal_id: UUID, reason: str, dry_run: bool) -> Any:
        """Approve and make a proposed correction; see `corrections.approve`."""
        return staff_commands.approve_correction(self.store, proposal_id, reason, dry_run=dry_run)

    @rpc(staff_schemas.Reject, callers=tuple(map(staff, ("approve", *CORRECTING))))
    def reject(self, proposal_id: UUID, reason: str, dry_run: bool) -> Any:
        """Reject a proposed correction, or withdraw one's own; see `corrections.reject`."""
        return staff_commands.reject_correction(self.store, proposal_id, reason, dry_run=dry_run)

    @rpc(staff_schemas.Proposals, callers=(staff("read"),))
    def proposals(self, decided: bool, after: int, limit: int) -> Any:
        """Return ``{proposals}`` after a position of the log, oldest first."""
        state = None if decided else OPEN
        found = self.store.query(lambda session: proposals(session, state, after, limit))
        return {"proposals": _plain(found)}

    @rpc(staff_schemas.Proposal, callers=(staff("read"),))
    def proposal(self, proposal_id: UUID) -> Any:
        """Return a proposal; raises NotFound ``proposal_not_found``."""
        return _plain(staff_commands.proposal_of(self.store, proposal_id))

    @rpc(staff_schemas.Close, callers=(staff("close"),))
    def close(self, period: str, reason: str, dry_run: bool) -> Any:
        """Close a month and all before it; return ``{closed_through, dry_run}``."""
        return staff_commands.close_month(self.store, period, reason, dry_run=dry_run)

    @rpc(staff_schemas.Accruals, callers=(staff("read"),))
    def accruals(self, last: int) -> Any:
        """Return ``{schedule, due, next, runs}``; see `accrual_record.accruals`."""
        schedule = read_schedule(self.settings.ledger_accruals)
        return self.store.query(lambda session: accruals(session, schedule, last))

    @rpc(staff_schemas.Policy, callers=(staff("read"),))
    def policy(self) -> Any:
        """Return what the operator has chosen; see `policy.policy`."""
        return policy(self.settings.ledger_accruals)

    @rpc(staff_schemas.StatementByDays, callers=(staff("read"),))
    def statement_by_days(
        self,
        number: str,
        first_day: date | None,
        last_day: date | None,
        after: int,
        limit: int,
    ) -> Any:
        """Return a page of the movements between two days, and the balances around all of them."""
        whole = self.store.query(
            lambda session: history.statement_by_days(
                session, meant(session, number), first_day, last_day
            )
        )
        page = whole["movements"][after : after + limit]
        more = len(whole["movements"]) > after + limit
        return {**whole, "movements": page, "next": after + limit if more else None}

    @rpc(staff_schemas.Advances, callers=(staff("read"),))
    def advances(self, after: str, limit: int) -> Any:
        """Return a page of the accounts with an advance, and the totals of all."""
        return self.store.query(
            lambda session: {
                **advances.advances(session, after, limit),
                **advances.advances_in_all(session),
            }
        )

    @rpc(staff_schemas.FindPayments, callers=(staff("read"),))
    def find_payments(self, limit: int, **sought: Any) -> Any:
        """Return the newest payments that fit what is known; see `payments.find_payments`."""
        return self.store.query(
            lambda session: payments.find_payments(session, _sought(session, **sought), limit)
        )

    @rpc(staff_schemas.PaymentsOfDay, callers=("payments", staff("read")))
    def payments_of_day(self, day: date, after: int, limit: int) -> Any:
        """Return a page of what is posted of the payments of a day; see `payment_days`."""
        return self.store.query(
            lambda session: payment_days.payments_of_day(session, day, after, limit)
        )

    @rpc(staff_schemas.PaymentsPosted, callers=("payments", staff("read")))
    def payments_posted(self, payment_ids: list[UUID]) -> Any:
        """Return ``{payments}``, what is posted of these; see `payment_days.payments_posted`."""
        found = self.store.query(lambda session: payment_days.payments_posted(session, payment_ids))
        return {"payments": found}

    def _correct(self, correction: Correction, reason: str, key: str | None, **how: bool) -> Any:
        return staff_commands.make_correction(self.store, correction, reason, key, **how)


def _sought(session: Session, account: str | None, **known: Any) -> payments.Sought:
    return payments.Sought(account=account and meant(session, account), **known)


def _plain(rows: Any) -> Any:
    """Return rows of the database as JSON has them."""
    return msgspec.to_builtins(rows)


@cache  # for the whole process and book: only their own commands can be committed together
def _group_commit(store: PostgresStore) -> GroupCommit:
    return ledger_group_commit(store)
