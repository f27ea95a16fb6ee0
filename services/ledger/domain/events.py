"""The events of a personal account. All amounts are kopecks.

Every event has two times: the day it takes effect (``effective_on``) and the instant it was
recorded, which the log keeps. Each names its account, so that a row of the log reads by itself,
and each correction names what it corrects, by its version in the account's stream.

``moved`` and ``moved_penalty`` are what else an event changes, so that no advance stands beside an
open debt, and so that the account stands as it would, had all been recorded in the order of effect
(:mod:`services.ledger.domain.settlement`): a positive sum is paid, by an advance or by money that
had paid something else; a negative one is owed again. ``moved`` None: recorded before this rule.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from services.ledger.domain.allocation import AllocatedPart
from shared.eventstore import Event
from shared.money import Kopecks


class ServiceAmount(msgspec.Struct, frozen=True, gc=False):
    """A sum for one service; the field that holds it defines its sign."""

    service: str
    amount: Kopecks


class ChargeLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One service on a bill. ``payable = charged + recalculation - concession``.

    ``tariff`` (up to 6 decimals, roubles per unit) and ``volume`` are exact decimals as text.
    """

    service: str
    name: str
    payable: Kopecks
    charged: Kopecks
    recalculation: Kopecks = 0
    concession: Kopecks = 0
    unit: str = ""
    tariff: str = ""
    volume: str = ""
    explanation: str = ""


class PenaltySegment(msgspec.Struct, frozen=True, gc=False):
    """Days of one debt at one rate and one divisor (ЖК РФ ст. 155 ч. 14).

    ``rate`` is the yearly rate in per cent, an exact decimal as text; ``amount`` the sum of the
    segment, rounded half-up once.
    """

    period: str
    first_day: date
    last_day: date
    days: int
    base: Kopecks
    rate: str
    divisor: int
    amount: Kopecks


class TakenElsewhere(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where staff took a payment, by which document, and why they posted it."""

    place: Literal["cash_desk", "bank"]
    document: str = ""
    reason: str = ""


class AccountOpened(Event, frozen=True):
    """The account is open, with what was owed when it was taken over.

    ``due_on`` is the last day on which that is paid in time; None: ``effective_on``.
    """

    topic: ClassVar[str] = "ledger.account_opened.v1"

    account: str
    payer_kind: str
    effective_on: date
    opening: tuple[ServiceAmount, ...] = ()
    due_on: date | None = None
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class OpeningPosted(Event, frozen=True):
    """What was owed when the account was taken over, known only after it had been opened.

    It replaces the ``opening`` of :class:`AccountOpened`, and comes once at most; ``allocation`` is
    what an advance has paid of it at once; ``due_on`` as there.
    """

    topic: ClassVar[str] = "ledger.opening_posted.v1"

    account: str
    effective_on: date
    opening: tuple[ServiceAmount, ...]
    allocation: tuple[AllocatedPart, ...] = ()
    due_on: date | None = None
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class ChargesPosted(Event, frozen=True):
    """A month's bill; ``allocation`` is what an advance has paid of it at once.

    ``bill_number`` is what the billing centre has printed on it; empty where it has not said.
    """

    topic: ClassVar[str] = "ledger.charges_posted.v1"

    account: str
    period: str
    effective_on: date
    due_on: date
    lines: tuple[ChargeLine, ...]
    allocation: tuple[AllocatedPart, ...] = ()
    bill_number: str = ""
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class ChargesAdjusted(Event, frozen=True):
    """A recalculation of a bill («перерасчёт»): signed sums by service.

    A positive sum is owed in addition; ``allocation`` is what an advance has paid of it at once.
    A negative one first takes off what is open of its service in the period (``released``); the
    rest, which was paid already, is money back (``advance``). ``due_on`` is the last day on which
    what is owed in addition is paid in time; None: that of the bill.
    """

    topic: ClassVar[str] = "ledger.charges_adjusted.v1"

    account: str
    adjustment_id: UUID
    corrects: int
    period: str
    effective_on: date
    reason: str
    lines: tuple[ServiceAmount, ...]
    released: tuple[AllocatedPart, ...] = ()
    advance: Kopecks = 0
    allocation: tuple[AllocatedPart, ...] = ()
    due_on: date | None = None
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class PayerKindChanged(Event, frozen=True):
    """The payer is of another kind; debts that take effect from the day on bear its penalty."""

    topic: ClassVar[str] = "ledger.payer_kind_changed.v1"

    account: str
    payer_kind: str
    effective_on: date
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class AccountClosed(Event, frozen=True):
    """The account is no longer its holder's: ``effective_on`` is his last day, as far as is known.

    Nothing is charged for later months. What is owed stays owed, and can be paid.
    """

    topic: ClassVar[str] = "ledger.account_closed.v1"

    account: str
    effective_on: date
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class AdvanceSettled(Event, frozen=True):
    """An advance pays the debt beside which an earlier version had left it."""

    topic: ClassVar[str] = "ledger.advance_settled.v1"

    account: str
    effective_on: date
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class PenaltyAccrued(Event, frozen=True):
    """A penalty for late payment, with the rule version and the segments that produced it.

    ``through`` is the last day that counts; ``provisional`` while the debt is unpaid, because the
    rate is that of the day of payment. A billing centre's own penalty has no segments.
    """

    topic: ClassVar[str] = "ledger.penalty_accrued.v1"

    account: str
    amount: Kopecks
    effective_on: date
    rule: str
    through: date
    provisional: bool = False
    segments: tuple[PenaltySegment, ...] = ()
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class PenaltyCorrected(Event, frozen=True):
    """A penalty accrued before is corrected (a payment came, a debt was recalculated).

    ``amount`` is the signed difference. What is taken back is first what is still owed, then what
    was ``waived`` (so it is not waived any more), then what was paid, which becomes an
    ``advance``. ``segments`` are the whole penalty after the correction.
    """

    topic: ClassVar[str] = "ledger.penalty_corrected.v1"

    account: str
    corrects: int
    amount: Kopecks
    effective_on: date
    rule: str
    reason: str
    through: date
    provisional: bool = False
    segments: tuple[PenaltySegment, ...] = ()
    waived: Kopecks = 0
    advance: Kopecks = 0
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class PenaltyWrittenOff(Event, frozen=True):
    """A penalty that is owed is waived, for a reason that staff gave.

    ``corrects`` is the last accrual. ``advance`` is zero when it is recorded; replayed in effective
    order, it is what turns out to have been paid before it was waived.
    """

    topic: ClassVar[str] = "ledger.penalty_written_off.v1"

    account: str
    corrects: int
    amount: Kopecks
    effective_on: date
    reason: str
    advance: Kopecks = 0
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class PaymentPosted(Event, frozen=True):
    """A payment, and the allocation made of it.

    ``amount`` and ``penalty`` are what the payer named; ``allocation`` adds up, with
    ``penalty_allocated`` and ``advance``, to their sum. A payer who named one sum for all
    (``penalty_named`` false) left it to the ``policy`` whether any of it pays a penalty.
    ``named_period`` is the month that the payer wanted paid first. ``taken`` is for what staff have
    posted; None: the acquirer took it. ``moved_from`` is the account that it was posted to by
    mistake, and reversed on in the same transaction.
    """

    topic: ClassVar[str] = "ledger.payment_posted.v1"

    account: str
    payment_id: UUID
    effective_on: date
    amount: Kopecks
    penalty: Kopecks
    allocation: tuple[AllocatedPart, ...]
    penalty_allocated: Kopecks
    advance: Kopecks
    policy: str = ""
    named_period: str = ""
    penalty_named: bool = True
    taken: TakenElsewhere | None = None
    moved_from: str = ""
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


class PaymentReversed(Event, frozen=True):
    """A payment is undone: what it paid is owed again, exactly.

    ``amount`` and ``penalty`` are what was left of it, which is less than the payment where a part
    had gone back before. ``moved_to`` is the account that this is posted to instead.
    ``advance_taken`` is what was left of its advance; where later bills have been paid out of it,
    ``reopened`` says what of them is owed again (the last ones first). What it had paid of a bill
    or a penalty that was lowered since has become an advance by that, and is taken out of it.
    """

    topic: ClassVar[str] = "ledger.payment_reversed.v1"

    account: str
    payment_id: UUID
    corrects: int
    effective_on: date
    reason: str
    amount: Kopecks
    penalty: Kopecks
    restored: tuple[AllocatedPart, ...]
    penalty_restored: Kopecks
    advance_taken: Kopecks
    reopened: tuple[AllocatedPart, ...] = ()
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0
    moved_to: str = ""


class PaymentRefunded(Event, frozen=True):
    """Money of a payment went back to the payer: ``amount``, all of it or a part.

    It undoes what the payment did, the last first: its advance (``advance_taken``, and
    ``reopened``, what advances have paid since), the penalty that it pays, then its bills, the
    newest first (``restored``). ``corrects`` is the payment.
    """

    topic: ClassVar[str] = "ledger.payment_refunded.v1"

    account: str
    payment_id: UUID
    refund_id: UUID
    corrects: int
    effective_on: date
    amount: Kopecks
    restored: tuple[AllocatedPart, ...] = ()
    penalty_restored: Kopecks = 0
    advance_taken: Kopecks = 0
    reopened: tuple[AllocatedPart, ...] = ()
    moved: tuple[AllocatedPart, ...] | None = None
    moved_penalty: Kopecks = 0


ACCOUNT_EVENTS: tuple[type[Event], ...] = (
    AccountOpened,
    OpeningPosted,
    PayerKindChanged,
    ChargesPosted,
    ChargesAdjusted,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
    PaymentPosted,
    PaymentReversed,
    PaymentRefunded,
    AdvanceSettled,
    AccountClosed,
)
