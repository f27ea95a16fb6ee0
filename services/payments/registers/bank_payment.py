"""A payment at a bank desk, and the file that told us of it.

A payment is received from a row of a file, and the ledger is asked whether its account is known: it
is accepted and posted, or it waits in suspense until staff assign it or have the bank return it.
Events hold no name, address or purpose of a payment: those stay in the bank's file.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

from shared.errors import Conflict
from shared.eventstore import Aggregate, Event
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks


class BankState(StrEnum):
    """The state of a bank payment; NONE before it is received."""

    NONE = "none"
    RECEIVED = "received"
    """Recorded; whether the ledger knows the account is not known yet."""
    SUSPENDED = "suspended"
    """Staff must say whose it is."""
    ACCEPTED = "accepted"
    """On its way to the ledger."""
    POSTED = "posted"
    RETURNED = "returned"
    """To be returned by the bank, as staff decided."""
    COVERED = "covered"
    """One transfer of what a register lists payment by payment: never posted by itself."""


class Suspense(StrEnum):
    """Why a payment is in suspense."""

    NO_ACCOUNT = "no_account"
    """The row names no account."""
    AMBIGUOUS = "ambiguous"
    """It names several."""
    UNKNOWN_ACCOUNT = "unknown_account"
    """The ledger has no such account."""
    ENTERED_ALREADY = "entered_already"
    """Staff have posted this document to the account by hand."""
    REGISTER_TRANSFER = "register_transfer"
    """It is the total of a register that is not imported, or that cannot be told."""
    REVERSED = "reversed"
    """It was posted, and the posting was reversed in the ledger."""


class RegisterReceived(Event, frozen=True, kw_only=True):
    """A file of a bank was taken in; sums are of its readable rows, in kopecks.

    `total` is what the households paid, `fee` what the bank keeps of it; `last_day` is the last on
    which somebody paid.
    """

    topic: ClassVar[str] = "payments.register_received.v1"
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


class RegisterImported(Event, frozen=True, kw_only=True):
    """All payments of the file are recorded; `repeated` ones were known from earlier files."""

    topic: ClassVar[str] = "payments.register_imported.v1"
    received: int
    repeated: int
    differing: int


class BankPaymentReceived(Event, frozen=True, kw_only=True):
    """A bank took a payment; `account` is what its row names, empty where it names none.

    `amount` is what the household paid; the bank keeps `fee` of it. `suspense`: why it cannot be
    posted as it stands, empty where it can.
    """

    topic: ClassVar[str] = "payments.bank_payment_received.v1"
    register_id: UUID
    row: int
    bank: str
    document: str
    paid_on: date
    amount: Kopecks
    fee: Kopecks
    account: str
    suspense: str = ""


class BankPaymentSuspended(Event, frozen=True, kw_only=True):
    """The payment waits for staff; `reason` is a `Suspense`."""

    topic: ClassVar[str] = "payments.bank_payment_suspended.v1"
    reason: str


class BankPaymentAssigned(Event, frozen=True, kw_only=True):
    """Staff said whose payment it is."""

    topic: ClassVar[str] = "payments.bank_payment_assigned.v1"
    account: str
    by: str
    reason: str


class BankPaymentAccepted(Event, frozen=True, kw_only=True):
    """The account is known: the ledger is to post the payment."""

    topic: ClassVar[str] = "payments.bank_payment_accepted.v1"
    account: str
    amount: Kopecks
    paid_on: date
    document: str


class BankPaymentPosted(Event, frozen=True, kw_only=True):
    """The ledger posted the payment at `position` of its log, or moved it to `account`."""

    topic: ClassVar[str] = "payments.bank_payment_posted.v1"
    account: str
    position: int


class BankPaymentReversed(Event, frozen=True, kw_only=True):
    """The posting was reversed in the ledger: the payment is in suspense again."""

    topic: ClassVar[str] = "payments.bank_payment_reversed.v1"
    account: str
    position: int


class BankPaymentReturned(Event, frozen=True, kw_only=True):
    """Staff had the bank return the payment."""

    topic: ClassVar[str] = "payments.bank_payment_returned.v1"
    by: str
    reason: str


class BankPaymentCovered(Event, frozen=True, kw_only=True):
    """The payment is the transfer of a register whose payments are recorded one by one."""

    topic: ClassVar[str] = "payments.bank_payment_covered.v1"
    register_id: UUID


class BankPaymentDiffered(Event, frozen=True, kw_only=True):
    """A later row has the same document with another sum or account; it was refused."""

    topic: ClassVar[str] = "payments.bank_payment_differed.v1"
    register_id: UUID
    row: int
    amount: Kopecks
    account: str


REGISTER_EVENTS: Final = (
    RegisterReceived,
    RegisterImported,
    BankPaymentReceived,
    BankPaymentSuspended,
    BankPaymentAssigned,
    BankPaymentAccepted,
    BankPaymentPosted,
    BankPaymentReversed,
    BankPaymentReturned,
    BankPaymentCovered,
    BankPaymentDiffered,
)


def register_id_of(digest: str) -> UUID:
    """Return the id of a file: the same content has the same."""
    return derived_id(NAMESPACE, "payments.register", digest)


class BankRegister(Aggregate):
    """One file of a bank."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.is_imported = False

    def receive(self, received: RegisterReceived) -> None:
        """Record the file; does nothing for one that is known."""
        if not self.version:
            self.trigger(received)

    def finish(self, received: int, repeated: int, differing: int) -> None:
        """Record that all rows are; does nothing the second time."""
        if not self.is_imported:
            self.trigger(
                RegisterImported(received=received, repeated=repeated, differing=differing)
            )

    def apply(self, event: Any) -> None:
        if isinstance(event, RegisterImported):
            self.is_imported = True


class BankPayment(Aggregate):
    """One payment at a bank desk, from the file to the ledger's posting."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = BankState.NONE
        self.account = ""
        self.amount: Kopecks = 0
        self.paid_on = date.min
        self.document = ""
        self.reversed_in: set[str] = set()
        self.differing: set[tuple[UUID, int]] = set()

    def receive(self, received: BankPaymentReceived) -> None:
        """Record the payment; does nothing for one that is known."""
        if self.state is not BankState.NONE:
            return
        self.trigger(received)
        if received.suspense:
            self.trigger(BankPaymentSuspended(reason=received.suspense))

    def record_difference(self, register_id: UUID, row: int, amount: Kopecks, account: str) -> None:
        """Record once that a row of a file has another sum or account."""
        if (register_id, row) not in self.differing:
            self.trigger(
                BankPaymentDiffered(
                    register_id=register_id, row=row, amount=amount, account=account
                )
            )

    def accept(self) -> None:
        """Have the ledger post it: the account is known."""
        if self.state is BankState.RECEIVED:
            self._accept(self.account)

    def suspend(self, reason: Suspense) -> None:
        """Leave it to staff; does nothing once it is decided."""
        if self.state is BankState.RECEIVED:
            self.trigger(BankPaymentSuspended(reason=reason.value))

    def assign(self, account: str, by: str, reason: str) -> bool:
        """Say whose it is, and have it posted; return False when it is so already.

        Raises Conflict `bank_payment_settled` for one that is not in suspense, and
        `bank_payment_reversed_there` for an account in which its posting was reversed.
        """
        if self.state in {BankState.ACCEPTED, BankState.POSTED} and account == self.account:
            return False
        self._check_suspended()
        if account in self.reversed_in:
            raise Conflict(
                "bank_payment_reversed_there",
                f"The posting of this payment to {account} was reversed: assign it to another "
                "account, or have the bank return it.",
                account=account,
            )
        self.trigger(BankPaymentAssigned(account=account, by=by, reason=reason))
        self._accept(account)
        return True

    def return_(self, by: str, reason: str) -> bool:
        """Record that the bank is to return it; return False when that is recorded already.

        Raises Conflict `bank_payment_settled`.
        """
        if self.state is BankState.RETURNED:
            return False
        self._check_suspended()
        self.trigger(BankPaymentReturned(by=by, reason=reason))
        return True

    def cover(self, register_id: UUID) -> None:
        """Record which register's transfer it is."""
        if self.state is BankState.SUSPENDED:
            self.trigger(BankPaymentCovered(register_id=register_id))

    def post(self, account: str, position: int) -> None:
        """Record the ledger's posting; does nothing for another account, or the second time."""
        if self.state is BankState.ACCEPTED and account == self.account:
            self.trigger(BankPaymentPosted(account=account, position=position))

    def move(self, account: str, to: str, position: int) -> None:
        """Record that staff moved the posting to another account."""
        if self.state is BankState.POSTED and account == self.account:
            self.trigger(BankPaymentPosted(account=to, position=position))

    def reverse(self, account: str, position: int) -> None:
        """Record that the ledger reversed the posting."""
        if self.state is BankState.POSTED and account == self.account:
            self.trigger(BankPaymentReversed(account=account, position=position))

    def _accept(self, account: str) -> None:
        self.trigger(
            BankPaymentAccepted(
                account=account,
                amount=self.amount,
                paid_on=self.paid_on,
                document=self.document,
            )
        )

    def _check_suspended(self) -> None:
        if self.state is not BankState.SUSPENDED:
            raise Conflict(
                "bank_payment_settled",
                f"The payment is not in suspense, it is {self.state.value}. One that is posted is "
                "reversed first (`saldo ledger reverse`).",
                state=self.state.value,
            )

    def apply(self, event: Any) -> None:
        match event:
            case BankPaymentReceived():
                self.state = BankState.RECEIVED
                self.account = event.account
                self.amount = event.amount
                self.paid_on = event.paid_on
                self.document = event.document
            case BankPaymentSuspended():
                self.state = BankState.SUSPENDED
            case BankPaymentAccepted():
                self.state = BankState.ACCEPTED
                self.account = event.account
            case BankPaymentPosted():
                self.state = BankState.POSTED
                self.account = event.account
            case BankPaymentReversed():
                self.state = BankState.SUSPENDED
                self.reversed_in.add(event.account)
            case BankPaymentReturned():
                self.state = BankState.RETURNED
            case BankPaymentCovered():
                self.state = BankState.COVERED
            case BankPaymentDiffered():
                self.differing.add((event.register_id, event.row))
