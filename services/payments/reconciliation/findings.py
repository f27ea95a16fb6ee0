"""What a reconciliation finds: the records of each source, and how they differ.

Amounts are kopecks. A record belongs to exactly one finding, so that what the findings of a source
add up to is what the source holds.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec

from shared.money import Kopecks


class Source(StrEnum):
    """Who keeps records of the money."""

    ORDERS = "orders"
    """Our payments."""
    ACQUIRER = "acquirer"
    LEDGER = "ledger"
    REGISTER = "register"
    """The registers and statements of banks, for what was paid at their desks."""


class Kind(StrEnum):
    """The result of a comparison, the gravest first."""

    MISSING_HERE = "missing_here"
    """The other side has the money; we do not."""
    MISSING_THERE = "missing_there"
    """We have it; the other side does not."""
    DIFFERING = "differing"
    MATCHED = "matched"


class What(StrEnum):
    """What differs."""

    PAYMENT = "payment"
    """The whole record: one side has none."""
    SUM = "sum"
    RETURNED = "returned"
    DAY = "day"
    STATE = "state"


class Line(msgspec.Struct, frozen=True):
    """What one account was paid of a payment, penalty included, and what went back of it."""

    account: str
    amount: Kopecks
    returned: Kopecks = 0


class OurPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One of our payments; `amount` is what was captured, 0 while nothing is."""

    payment_id: str
    acquirer: str
    order_numbers: tuple[str, ...]
    state: str
    day: date | None
    amount: Kopecks
    returned: Kopecks = 0
    lines: tuple[Line, ...] = ()


class BankOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as an acquirer reports it; `amount` is what left the card."""

    acquirer: str
    order_number: str
    state: str
    day: date | None
    amount: Kopecks
    returned: Kopecks = 0


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of a payment in one account.

    `returned` is what refunds have taken back; a reversal takes back all that is left. `by_staff`:
    entered in the ledger by one of the staff, for whom there is no order.
    """

    payment_id: str
    account: str
    day: date | None
    amount: Kopecks
    returned: Kopecks = 0
    reversed: bool = False
    by_staff: bool = False
    place: str = ""
    """"bank" for what a bank register brought, "" for what an acquirer took."""


class RegisterLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a bank's register; without an account it is in suspense."""

    register: str
    line: str
    payment_id: str | None
    account: str | None
    day: date | None
    amount: Kopecks
    state: str
    command: str = ""
    """What assigns it, while it is in suspense."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How one source differs from what it is compared with.

    `here` and `there` are the two sides as a person reads them, `command` is what settles it.
    """

    source: Source
    kind: Kind
    what: tuple[What, ...]
    here: str
    there: str
    command: str = ""
    polls: bool = False
    """Whether asking the acquirer again may settle it, without anybody's decision."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """All that the sources hold of one payment, and how they differ; none: they agree."""

    payment_id: str | None
    orders: tuple[BankOrder, ...] = ()
    ours: OurPayment | None = None
    postings: tuple[Posting, ...] = ()
    register: RegisterLine | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def kind(self) -> Kind:
        """The gravest kind of its differences."""
        found = {difference.kind for difference in self.differences}
        return next((kind for kind in Kind if kind in found), Kind.MATCHED)

    @property
    def polls(self) -> bool:
        """Whether asking the acquirer again may settle any of it."""
        return any(difference.polls for difference in self.differences)

    @property
    def is_by_staff(self) -> bool:
        """Whether staff entered it in the ledger, so that there is nothing to compare it with."""
        return not (self.ours or self.orders or self.register) and all(
            posting.by_staff for posting in self.postings
        )

    def held(self, source: Source) -> Held | None:
        """Return what a source holds of it; None where it holds nothing."""
        match source:
            case Source.ORDERS:
                records: tuple[OurPayment | BankOrder | Posting | RegisterLine, ...] = (
                    (self.ours,) if self.ours else ()
                )
            case Source.ACQUIRER:
                records = self.orders
            case Source.LEDGER:
                records = self.postings
            case Source.REGISTER:
                records = (self.register,) if self.register else ()
        return held(records) if records else None


class Held(msgspec.Struct, frozen=True):
    """How many records there are, what they come to, and what of it went back."""

    records: int = 0
    amount: Kopecks = 0
    returned: Kopecks = 0

    def __add__(self, other: Held) -> Held:
        return Held(
            self.records + other.records,
            self.amount + other.amount,
            self.returned + other.returned,
        )


def held(records: tuple[OurPayment | BankOrder | Posting | RegisterLine, ...]) -> Held:
    """Return what records come to."""
    return Held(
        len(records),
        sum(record.amount for record in records),
        sum(_returned(record) for record in records),
    )


def _returned(record: OurPayment | BankOrder | Posting | RegisterLine) -> Kopecks:
    if isinstance(record, RegisterLine):
        return 0
    if isinstance(record, Posting) and record.reversed:
        return record.amount
    return record.returned
