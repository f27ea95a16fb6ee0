"""Use cases of bank payments: each one transaction, each harmless when repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.payments.registers.bank_payment import (
    BankPayment,
    BankPaymentReceived,
    BankRegister,
    RegisterReceived,
    Suspense,
)
from services.payments.registers.rows import Payment
from services.payments.registers.tables import Known
from shared import context
from shared.errors import NotFound
from shared.eventstore import Session
from shared.money import Kopecks, format_roubles


class ReceiveRegister(msgspec.Struct, frozen=True, kw_only=True):
    """Record a file before its payments; see `RegisterReceived`."""

    register_id: UUID
    file: str
    digest: str
    kind: str
    bank: str
    rows: int
    refused: int
    total: Kopecks
    fee: Kopecks
    last_day: date | None
    by: str
    reason: str


class ReceivePayments(msgspec.Struct, frozen=True, kw_only=True):
    """Record some payments of a file.

    `by_account`: a row that is known with another account differs. In a statement the account is
    only read out of a purpose, and the sum alone tells.
    """

    register_id: UUID
    payments: tuple[Payment, ...]
    by_account: bool


class FinishRegister(msgspec.Struct, frozen=True, kw_only=True):
    """All payments of a file are recorded: `payments` of them, without `differing` ones."""

    register_id: UUID
    payments: int
    differing: int


class Differing(msgspec.Struct, frozen=True):
    """A payment whose document is known with another sum or account, and what is known."""

    payment: Payment
    reason: str


class Received(msgspec.Struct, kw_only=True):
    """What became of some rows; `suspense` are those received ones that name no account."""

    received: int = 0
    suspense: int = 0
    repeated: int = 0
    differing: list[Differing] = []

    def add(self, other: Received) -> None:
        """Add the rows of another part of the file."""
        self.received += other.received
        self.suspense += other.suspense
        self.repeated += other.repeated
        self.differing += other.differing


class AssignPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Say whose a payment in suspense is; the ledger knows the account."""

    payment_id: UUID
    account: str
    reason: str


class ReturnPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Have the bank return a payment in suspense."""

    payment_id: UUID
    reason: str


class TakePayments(msgspec.Struct, frozen=True, kw_only=True):
    """Accept the payments whose account is among the `known` ones, and suspend the others.

    Those that staff have `entered` by hand are suspended, too: posted once more they would count
    twice.
    """

    payment_ids: tuple[UUID, ...]
    known: frozenset[str]
    entered: frozenset[UUID] = frozenset()


class RecordPosting(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger posted a payment, or reversed the posting, at `position` of its log.

    `moved_from` is the account that staff moved it from.
    """

    payment_id: UUID
    account: str
    position: int
    moved_from: str = ""


def receive_register(session: Session, command: ReceiveRegister) -> None:
    """Record a file; does nothing for one that is known."""
    session.peek.registers.wait_for_writers()
    fields = msgspec.structs.asdict(command)
    register = session.load(BankRegister, fields.pop("register_id"))
    register.receive(RegisterReceived(**fields))


def finish_register(session: Session, command: FinishRegister) -> None:
    """Record the end of an import; does nothing the second time."""
    session.peek.registers.wait_for_writers()
    register = session.load(BankRegister, command.register_id)
    if register.is_imported:
        return
    # An interrupted import has received some of them before.
    received = sum(session.read.registers.states(command.register_id).values())
    register.finish(received, command.payments - received, command.differing)


def receive_payments(session: Session, command: ReceivePayments) -> Received:
    """Record the payments that are new, and return what became of each row."""
    session.peek.registers.wait_for_writers()
    known = _known(session, command.payments)
    outcome = compare_payments(session, command)
    for payment in command.payments:
        before = known.get(payment.payment_id)
        if before is None:
            _receive(session, command.register_id, payment)
        elif _difference(payment, before, by_account=command.by_account):
            session.load(BankPayment, payment.payment_id).record_difference(
                command.register_id, payment.row, payment.amount, payment.account
            )
    return outcome


def compare_payments(session: Session, command: ReceivePayments) -> Received:
    """Return what `receive_payments` would, and record nothing."""
    known, outcome = _known(session, command.payments), Received()
    for payment in command.payments:
        before = known.get(payment.payment_id)
        if before is None:
            outcome.received += 1
            outcome.suspense += bool(payment.suspense)
        elif reason := _difference(payment, before, by_account=command.by_account):
            outcome.differing.append(Differing(payment, reason))
        else:
            outcome.repeated += 1
    return outcome


def take_payments(session: Session, command: TakePayments) -> None:
    """Decide on payments that were received; does nothing for those decided already."""
    session.peek.registers.wait_for_writers()
    for payment in _loaded(session, command.payment_ids):
        if payment.account not in command.known:
            payment.suspend(Suspense.UNKNOWN_ACCOUNT)
        elif payment.id in command.entered:
            payment.suspend(Suspense.ENTERED_ALREADY)
        else:
            payment.accept()


def cover_transfers(session: Session, _: None) -> int:
    """Mark the transfers whose register is imported; return how many."""
    session.peek.registers.wait_for_writers()
    transfers = session.read.registers.transfers()
    for payment_id, register_id in transfers.items():
        session.load(BankPayment, payment_id).cover(register_id)
    return len(transfers)


def assign_payment(session: Session, command: AssignPayment) -> bool:
    """Assign a payment as the actor; return False when it is so already.

    Raises NotFound `bank_payment_not_found`, and Conflict as `BankPayment.assign`.
    """
    payment = _existing(session, command.payment_id)
    return payment.assign(command.account, context.current().actor, command.reason)


def return_payment(session: Session, command: ReturnPayment) -> bool:
    """Record that the bank is to return a payment; return False when that is recorded already.

    Raises NotFound `bank_payment_not_found`, and Conflict `bank_payment_settled`.
    """
    payment = _existing(session, command.payment_id)
    return payment.return_(context.current().actor, command.reason)


def post_bank_payment(session: Session, command: RecordPosting) -> None:
    """Record the ledger's posting of a bank payment."""
    payment = session.load(BankPayment, command.payment_id)
    if command.moved_from:
        payment.move(command.moved_from, command.account, command.position)
    else:
        payment.post(command.account, command.position)


def reverse_bank_payment(session: Session, command: RecordPosting) -> None:
    """Record that the ledger reversed the posting: the payment is in suspense again."""
    session.load(BankPayment, command.payment_id).reverse(command.account, command.position)


def _known(session: Session, payments: Sequence[Payment]) -> Mapping[UUID, Known]:
    found: Mapping[UUID, Known] = session.peek.registers.known(
        [payment.payment_id for payment in payments]
    )
    return found


def _difference(payment: Payment, known: Known, *, by_account: bool) -> str:
    if payment.amount != known.amount:
        what = f"with {format_roubles(known.amount)}"
    elif by_account and payment.account != known.named:
        what = f"with account {known.named or 'none'}"
    else:
        return ""
    return f"document {payment.document or '-'} of {payment.paid_on} is known {what}"


def _receive(session: Session, register_id: UUID, payment: Payment) -> None:
    new = BankPayment(payment.payment_id)
    session.adopt(new)
    fields: dict[str, Any] = msgspec.structs.asdict(payment)
    del fields["payment_id"]
    new.receive(BankPaymentReceived(register_id=register_id, **fields))


def _loaded(session: Session, ids: Sequence[UUID]) -> list[BankPayment]:
    """Return payments, all read by one query."""
    histories = session.histories([id_ for id_ in ids if not session.has(id_)])
    for id_, history in histories.items():
        payment = BankPayment(id_)
        for recorded in history:
            payment.replay(recorded.event)
        session.adopt(payment)
    return [session.load(BankPayment, id_) for id_ in ids]


def _existing(session: Session, payment_id: UUID) -> BankPayment:
    if session.peek.registers.payment(payment_id) is None:
        raise NotFound("bank_payment_not_found", "No register has a payment with this id.")
    return session.load(BankPayment, payment_id)
