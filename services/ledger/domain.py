"""The personal account: charges, penalties and payments, and what follows from them.

All amounts are kopecks. Nothing is ever edited: each event stands as it happened, and the balance
is what they add up to. Every event has two times: the day it takes effect (``effective_on``) and
the instant it was recorded, which the log keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar, Self
from uuid import UUID

import msgspec

from services.ledger.settlement import Settled, allocate
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.eventstore import Aggregate, Event, EventTypes
from shared.ids import NAMESPACE, derived_id
from shared.money import MAX_AMOUNT, Kopecks


class ServiceAmount(msgspec.Struct, frozen=True):
    """What is owed for one service."""

    service: str
    amount: Kopecks


class ChargeLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service on a bill. ``payable = charged + recalculation - privilege``.

    ``tariff`` (up to 6 decimals, roubles per unit) and ``volume`` are exact decimals as text.
    """

    service: str
    name: str
    payable: Kopecks
    charged: Kopecks
    recalculation: Kopecks = 0
    privilege: Kopecks = 0
    unit: str = ""
    tariff: str = ""
    volume: str = ""
    explanation: str = ""


class AccountOpened(Event, frozen=True):
    """The account exists from now on, with what was owed when it was taken over."""

    topic: ClassVar[str] = "ledger.account_opened.v1"

    account: str
    payer_kind: str
    effective_on: date
    opening: tuple[ServiceAmount, ...] = ()


class ChargesPosted(Event, frozen=True):
    """A month's bill; ``settled`` is what an advance has paid of it at once."""

    topic: ClassVar[str] = "ledger.charges_posted.v1"

    account: str
    period: str
    effective_on: date
    due_on: date
    lines: tuple[ChargeLine, ...]
    settled: tuple[Settled, ...] = ()


class PenaltyAccrued(Event, frozen=True):
    """A penalty for late payment, with the rule that produced it (ЖК РФ ст. 155 ч. 14)."""

    topic: ClassVar[str] = "ledger.penalty_accrued.v1"

    account: str
    amount: Kopecks
    effective_on: date
    rule: str


class PaymentPosted(Event, frozen=True):
    """A payment, and the allocation made of it.

    ``amount`` and ``penalty`` are what the payer named; ``settled`` adds up, with
    ``penalty_settled`` and ``advance``, to their sum.
    """

    topic: ClassVar[str] = "ledger.payment_posted.v1"

    account: str
    payment_id: UUID
    effective_on: date
    amount: Kopecks
    penalty: Kopecks
    settled: tuple[Settled, ...]
    penalty_settled: Kopecks
    advance: Kopecks


EVENTS = EventTypes(AccountOpened, ChargesPosted, PenaltyAccrued, PaymentPosted)

OPENING_PERIOD = "0001-01"
"""The period of what was owed before the first bill here; it sorts before all others."""


def account_id(number: str, book: str = "main") -> UUID:
    """Answer the id of an account's stream: UUIDv5 over book and number."""
    return derived_id(NAMESPACE, "ledger", book, number)


class Account(Aggregate):
    """One personal account («лицевой счёт»)."""

    def __init__(self, id: UUID) -> None:  # noqa: A002
        super().__init__(id)
        self.number = ""
        self.open_items: dict[str, dict[str, Kopecks]] = {}
        self.penalty: Kopecks = 0
        self.advance: Kopecks = 0
        self.charged_periods: set[str] = set()
        self.payments: set[UUID] = set()

    @property
    def principal(self) -> Kopecks:
        """What is owed for services, without penalty; an advance is not taken off."""
        return sum(sum(owed.values()) for owed in self.open_items.values())

    def open(
        self, number: str, payer_kind: str, on: date, opening: Sequence[ServiceAmount] = ()
    ) -> None:
        """Begin the account. Raises Conflict ``account_exists``."""
        if self.version:
            raise Conflict("account_exists", "This account is open already.", account=number)
        for item in opening:
            _check_amount(item.amount, "opening balance")
        self.trigger(
            AccountOpened(
                account=number, payer_kind=payer_kind, effective_on=on, opening=tuple(opening)
            )
        )

    def post_charges(
        self, period: str, on: date, due_on: date, lines: Sequence[ChargeLine]
    ) -> None:
        """Post a month's bill; an advance settles what it can of it at once.

        Raises Conflict ``period_charged`` when the month has its bill already (correct it by an
        adjustment instead), ValidationFailed for a line that does not add up or a service that
        comes twice.
        """
        self._must_exist()
        if period in self.charged_periods:
            raise Conflict(
                "period_charged",
                f"The charges of {period} are posted already; post an adjustment instead.",
                period=period,
            )
        for line in lines:
            _check_line(line)
        owed = {line.service: line.payable for line in lines if line.payable > 0}
        if len({line.service for line in lines}) != len(lines) or not lines:
            raise ValidationFailed(
                "invalid_charges", "A bill has at least one line, and one for each service."
            )
        settled, _ = allocate({period: owed}, self.advance)
        self.trigger(
            ChargesPosted(
                account=self.number,
                period=period,
                effective_on=on,
                due_on=due_on,
                lines=tuple(lines),
                settled=settled,
            )
        )

    def accrue_penalty(self, amount: Kopecks, on: date, rule: str) -> None:
        """Add a penalty, with the name of the rule and its version."""
        self._must_exist()
        if not 0 < amount <= MAX_AMOUNT:
            raise ValidationFailed("invalid_amount", "A penalty is a positive sum of kopecks.")
        self.trigger(PenaltyAccrued(account=self.number, amount=amount, effective_on=on, rule=rule))

    def post_payment(self, payment_id: UUID, on: date, amount: Kopecks, penalty: Kopecks) -> bool:
        """Post a payment as the payer named it; answer False when it is posted already.

        Principal and penalty are settled separately; what is more than the debt of either becomes
        an advance.
        """
        self._must_exist()
        if payment_id in self.payments:
            return False
        for part in (amount, penalty):
            if not 0 <= part <= MAX_AMOUNT:
                raise ValidationFailed("invalid_amount", "A payment is a positive sum of kopecks.")
        if amount + penalty == 0:
            raise ValidationFailed("nothing_to_pay", "A payment of nothing cannot be posted.")
        settled, rest = allocate(self.open_items, amount)
        penalty_settled = min(penalty, self.penalty)
        self.trigger(
            PaymentPosted(
                account=self.number,
                payment_id=payment_id,
                effective_on=on,
                amount=amount,
                penalty=penalty,
                settled=settled,
                penalty_settled=penalty_settled,
                advance=rest + penalty - penalty_settled,
            )
        )
        return True

    def reenact(self, event: Any) -> None:
        """Let an event happen again among others than it did, its allocation made anew.

        So a balance as of a past day can be told in the order in which things took effect, which
        may differ from the order in which they were recorded.
        """
        match event:
            case ChargesPosted():
                owed = {line.service: line.payable for line in event.lines if line.payable > 0}
                settled, _ = allocate({event.period: owed}, self.advance)
                event = msgspec.structs.replace(event, settled=settled)
            case PaymentPosted():
                settled, rest = allocate(self.open_items, event.amount)
                penalty_settled = min(event.penalty, self.penalty)
                event = msgspec.structs.replace(
                    event,
                    settled=settled,
                    penalty_settled=penalty_settled,
                    advance=rest + event.penalty - penalty_settled,
                )
        self.replay(event)

    def apply(self, event: Any) -> None:
        """Change the state by one event; the order of cases is the order of their number."""
        match event:
            case ChargesPosted():
                self._apply_charges(event)
            case PaymentPosted():
                self.payments.add(event.payment_id)
                self.penalty -= event.penalty_settled
                self.advance += event.advance
                self._settle(event.settled)
            case PenaltyAccrued():
                self.penalty += event.amount
            case AccountOpened():
                self.number = event.account
                if owed := {item.service: item.amount for item in event.opening if item.amount > 0}:
                    self.open_items[OPENING_PERIOD] = owed
                self.advance -= sum(item.amount for item in event.opening if item.amount < 0)
            case _:
                raise TypeError(f"an account knows no {type(event).__name__}")

    def _apply_charges(self, event: ChargesPosted) -> None:
        self.charged_periods.add(event.period)
        owed = self.open_items.setdefault(event.period, {})
        for line in event.lines:
            if line.payable > 0:
                owed[line.service] = line.payable
            elif line.payable < 0:
                # A recalculation that is more than the charge is money back: an advance.
                self.advance -= line.payable
        if event.settled:
            self.advance -= sum(part.amount for part in event.settled)
            self._settle(event.settled)
        elif not owed:
            del self.open_items[event.period]

    def _settle(self, parts: Sequence[Settled]) -> None:
        open_items = self.open_items
        for part in parts:
            owed = open_items[part.period]
            left = owed[part.service] - part.amount
            if left:
                owed[part.service] = left
            else:
                del owed[part.service]
                if not owed:
                    del open_items[part.period]

    def _must_exist(self) -> None:
        if not self.version:
            raise NotFound("account_not_found", "There is no such account in the ledger.")

    def snapshot(self) -> dict[str, Any]:
        """Answer what a row of the read model keeps, enough to decide the next bill on."""
        return {
            "number": self.number,
            "version": self.version,
            "principal": self.principal,
            "penalty": self.penalty,
            "advance": self.advance,
            "open_items": self.open_items,
            "charged_periods": sorted(self.charged_periods),
        }

    @classmethod
    def restored(cls, id: UUID, row: dict[str, Any]) -> Self:  # noqa: A002
        """Rebuild an account from a row of the read model; it does not know its payments."""
        account = cls(id)
        account.number = row["number"]
        account.version = row["version"]
        account.penalty = row["penalty"]
        account.advance = row["advance"]
        account.open_items = row["open_items"]
        account.charged_periods = set(row["charged_periods"])
        return account


def _check_amount(amount: Kopecks, what: str) -> None:
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} is beyond what one posting may be.")


def _check_line(line: ChargeLine) -> None:
    if line.payable != line.charged + line.recalculation - line.privilege:
        raise ValidationFailed(
            "invalid_charges",
            f"Line {line.service}: payable must be charged + recalculation - privilege.",
        )
    for amount in (line.charged, line.recalculation, line.privilege):
        _check_amount(amount, f"line {line.service}")
