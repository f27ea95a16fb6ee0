"""The RPCs of payments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from services.payments import (
    callback,
    faster_payments,
    payers,
    resolving,
    schemas,
    staff_refunds,
    staff_schemas,
    staff_views,
    views,
)
from services.payments.acquirers import CallbackRequest
from services.payments.checkout import Checkout
from services.payments.configured import acquirers_of, limits_of, return_url_of
from services.payments.events import Line, RefundLine
from services.payments.fiscal import application as fiscal
from services.payments.fiscal import registration
from services.payments.fiscal import schemas as fiscal_schemas
from services.payments.reconciliation import runs
from services.payments.registers import reports, staff_commands
from services.payments.registers import schemas as register_schemas
from services.payments.registers.receiving import AssignPayment, ReturnPayment
from services.payments.watching import watch_of
from shared.config import GATEWAY
from shared.rpc.callers import staff
from shared.rpc.server import RpcClientProvider, SettingsProvider, StoreProvider, rpc


class PaymentsService:
    """Orders over several accounts, paid on the acquirer's page."""

    name = "payments"

    store = StoreProvider()
    services = RpcClientProvider()
    settings = SettingsProvider()

    @rpc(schemas.Start, callers=(GATEWAY,))
    def start(
        self, person_id: UUID, lines: list[dict[str, Any]], acquirer: str | None
    ) -> dict[str, Any]:
        """Return {payment_id, total, redirect_url, state}; see `Checkout.start`."""
        registration.begin(self.store, self.settings.fiscal)
        checkout = Checkout(
            self.store,
            acquirers_of(self.settings),
            self._find_access,
            return_url_of(self.settings),
            limits_of(self.settings),
        )
        return checkout.start(person_id, [Line(**line) for line in lines], acquirer)

    @rpc(schemas.Payment, callers=(GATEWAY, "notifications"))
    def payment(self, person_id: UUID, payment_id: UUID, refresh: bool) -> dict[str, Any]:
        """Return one payment of a person; `refresh` polls the acquirer first.

        Then it waits a moment for what is being done to the payment.
        """
        if refresh:
            changed = partial(watch_of(self.store).wait, self.store)
            return callback.refresh_own(
                self.store, acquirers_of(self.settings), person_id, payment_id, changed
            )
        query = views.OwnPayment(person_id=person_id, payment_id=payment_id)
        found: dict[str, Any] = self.store.look(lambda session: views.own_payment(session, query))
        return found

    @rpc(schemas.KnownPayments, callers=("ledger",))
    def known_payments(self, payment_ids: list[UUID]) -> dict[str, Any]:
        """Return {known}: which payments the ledger gets, or will, from this log."""
        return {"known": self._query(lambda session: views.known_payments(session, payment_ids))}

    @rpc(staff_schemas.PayerWanted, callers=(staff("find"),))
    def payer(self, payment: UUID) -> dict[str, Any]:
        """Return {person_id} of whoever started a payment, which the security log keeps."""
        wanted = payers.PayerWanted(payment_id=payment)
        found: dict[str, Any] = self.store.transact(payers.payer, wanted)
        return found

    @rpc(schemas.FasterPayment, callers=(GATEWAY,))
    def faster_payment(self, person_id: UUID, payment_id: UUID) -> dict[str, Any]:
        """Return {payload} of the QR code of an open payment; None where there is none."""
        query = views.OwnPayment(person_id=person_id, payment_id=payment_id)
        return faster_payments.code_of(self.store, acquirers_of(self.settings), query)

    @rpc(schemas.History, callers=(GATEWAY,))
    def history(self, **query: Any) -> dict[str, Any]:
        """Return {payments, next}, the newest first; see `views.History`."""
        wanted = views.History(**query)
        return self._query(lambda session: views.history(session, wanted))

    @rpc(schemas.PersonId, callers=("identity",))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return all payments of a person; see `views.held_about`."""
        result: dict[str, Any] = self.store.query(
            lambda session: views.held_about(session, person_id)
        )
        return result

    @rpc(schemas.AcquirerCallback, callers=(GATEWAY,))
    def acquirer_callback(
        self, acquirer: str, parameters: Mapping[str, str], body: str, remote_address: str
    ) -> dict[str, Any]:
        """Return {accepted: true}; see `receive_callback`."""
        request = CallbackRequest(parameters=parameters, body=body, remote_address=remote_address)
        return callback.receive_callback(self.store, acquirers_of(self.settings), acquirer, request)

    # Staff

    @rpc(staff_schemas.Refund, callers=(staff("refund"),))
    def refund(
        self,
        payment_id: UUID,
        lines: list[dict[str, Any]],
        reason: str,
        key: str | None,
        dry_run: bool,
    ) -> dict[str, Any]:
        """Give money back, or propose it; see `staff_refunds.refund_payment`."""
        wanted = [RefundLine(**line) for line in lines]
        return staff_refunds.refund_payment(
            self.store, payment_id, wanted, reason, key, dry_run=dry_run
        )

    @rpc(staff_schemas.ApproveRefund, callers=(staff("approve"),))
    def approve_refund(self, refund_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        """Approve a proposed refund; see `staff_refunds.approve_refund`."""
        return staff_refunds.approve_refund(self.store, refund_id, reason, dry_run=dry_run)

    @rpc(staff_schemas.RejectRefund, callers=(staff("approve"), staff("refund")))
    def reject_refund(self, refund_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        """Reject a proposed refund, or withdraw one's own; see `staff_refunds.reject_refund`."""
        return staff_refunds.reject_refund(self.store, refund_id, reason, dry_run=dry_run)

    @rpc(staff_schemas.Resolve, callers=(staff("resolve"),))
    def resolve(
        self,
        payment_id: UUID,
        how: resolving.How,
        lines: list[dict[str, Any]],
        reason: str,
        dry_run: bool,
    ) -> dict[str, Any]:
        """Ask the acquirer, return a charge, or credit it; see `resolving.resolve`."""
        split = [Line(**line) for line in lines]
        return resolving.resolve(
            self.store, acquirers_of(self.settings), payment_id, how, split, reason,
            dry_run=dry_run,
        )  # fmt: skip

    @rpc(staff_schemas.ListPayments, callers=(staff("read"),))
    def list_payments(self, **query: Any) -> dict[str, Any]:
        """Return {payments, next}, the newest first; see `staff_views.listed`."""
        wanted = staff_views.Listed(**query)
        return self._query(lambda session: staff_views.listed(session, wanted))

    @rpc(staff_schemas.ShowPayment, callers=(staff("read"),))
    def show_payment(self, payment_id: UUID) -> dict[str, Any]:
        """Return all of one payment; see `staff_views.shown`."""
        return self._query(lambda session: staff_views.shown(session, payment_id))

    @rpc(staff_schemas.Stuck, callers=(staff("read"),))
    def stuck(self, limit: int) -> dict[str, Any]:
        """Return {stuck}, what does not go on by itself; see `staff_views.stuck`."""
        return {"stuck": self.store.query(lambda session: staff_views.stuck(session, limit))}

    @rpc(staff_schemas.Refunds, callers=(staff("read"),))
    def refunds(self, state: str | None, limit: int) -> dict[str, Any]:
        """Return {refunds}, the newest first."""
        found = self.store.query(lambda session: staff_views.refunds(session, state, limit))
        return {"refunds": found}

    @rpc(staff_schemas.Money, callers=(staff("read"),))
    def money(self, first: date, last: date, after: list[str] | None, limit: int) -> dict[str, Any]:
        """Return {rows} for accounting: charges, and refunds; see `staff_views.money`."""
        since = None if after is None else tuple(after)
        rows = self.store.query(
            lambda session: staff_views.money(session, first, last, since, limit)
        )
        return {"rows": rows}

    @rpc(staff_schemas.Reconcile, callers=(staff("read"),))
    def reconcile(self, day: date) -> dict[str, Any]:
        """Have the worker reconcile a day; return {reconciliation_id, state}."""
        asked: dict[str, Any] = self.store.transact(runs.request, day)
        return asked

    @rpc(staff_schemas.Reconciliation, callers=(staff("read"),))
    def reconciliation(
        self, reconciliation_id: UUID, after: int, limit: int, matched: bool
    ) -> dict[str, Any]:
        """Return a reconciliation with a page of its findings; see `runs.run`."""
        return self._query(
            lambda session: runs.run(session, reconciliation_id, after, limit, matched=matched)
        )

    @rpc(staff_schemas.ListReconciliations, callers=(staff("read"),))
    def reconciliations(self, limit: int) -> dict[str, Any]:
        """Return {reconciliations}, the newest first, without their findings."""
        return {"reconciliations": self.store.query(lambda session: runs.newest(session, limit))}

    @rpc(register_schemas.BankSuspense, callers=(staff("read"),))
    def bank_suspense(self, after: int, limit: int) -> dict[str, Any]:
        """Return {payments, next}: the bank payments of which staff must say whose they are."""
        return self._query(lambda session: reports.suspense(session, after, limit))

    @rpc(register_schemas.BankRegisters, callers=(staff("read"),))
    def bank_registers(self, limit: int) -> dict[str, Any]:
        """Return {registers}: the newest files of banks with what became of their payments."""
        return self._query(lambda session: reports.registers(session, limit))

    @rpc(register_schemas.AssignBankPayment, callers=(staff("resolve"),))
    def assign_bank_payment(
        self, payment_id: UUID, account: str, reason: str, dry_run: bool
    ) -> dict[str, Any]:
        """Say whose a bank payment in suspense is; see `staff_commands.assign`."""
        command = AssignPayment(payment_id=payment_id, account=account, reason=reason)
        return staff_commands.assign(self.store, self._known, command, dry_run=dry_run)

    @rpc(register_schemas.ReturnBankPayment, callers=(staff("resolve"),))
    def return_bank_payment(self, payment_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        """Have the bank return a payment in suspense; see `staff_commands.give_back`."""
        command = ReturnPayment(payment_id=payment_id, reason=reason)
        return staff_commands.give_back(self.store, command, dry_run=dry_run)

    def _known(self, numbers: list[str]) -> list[str]:
        answer = self.services.call("ledger", "known_accounts", numbers=numbers)
        return [str(number) for number in answer["known"]]

    @rpc(fiscal_schemas.FiscalReceipts, callers=(GATEWAY,))
    def fiscal_receipts(self, person_id: UUID, payment_id: UUID) -> dict[str, Any]:
        """Return {offered, receipts} of a payment of a person; see `receipts_of`."""
        query = views.OwnPayment(person_id=person_id, payment_id=payment_id)

        def found(session: Any) -> dict[str, Any]:
            views.own_payment(session, query)
            return fiscal.receipts_of(
                session,
                payment_id,
                self.settings.timezone,
                offered=self.settings.fiscal is not None,
            )

        return self._query(found)

    @rpc(fiscal_schemas.OpenFiscalReceipts, callers=(staff("read"),))
    def open_fiscal_receipts(self, limit: int) -> dict[str, Any]:
        """Return {receipts} that are pending or refused, the oldest first."""
        return self._query(lambda session: fiscal.open_receipts(session, limit))

    @rpc(fiscal_schemas.RetryFiscalReceipt, callers=(staff("resolve"),))
    def retry_fiscal_receipt(self, receipt_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        """Have a refused receipt sent again; return {receipt_id, attempt}."""
        command = fiscal.RetryReceipt(receipt_id=receipt_id, reason=reason)
        if not dry_run:
            done: dict[str, Any] = self.store.execute(fiscal.retry_receipt, command)
            return done
        # A query keeps nothing of what it has triggered.
        tried = self._query(lambda session: fiscal.retry_receipt(session, command))
        return {**tried, "dry_run": True}

    def _query(self, handler: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.store.query(handler)
        return answer

    def _find_access(self, person_id: UUID, numbers: list[str]) -> Mapping[str, Any]:
        answer = self.services.call("accounts", "owns", person_id=str(person_id), numbers=numbers)
        access: Mapping[str, Any] = answer["access"]
        return access
