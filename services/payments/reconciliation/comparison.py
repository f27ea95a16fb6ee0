"""The comparison of what the sources hold: a pure function, records in, findings out.

An order at the acquirer belongs to the payment that has its number, a posting to the payment of its
id, a line of a register to the posting that it became. Whatever belongs to nothing is a finding by
itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from services.payments.reconciliation.findings import (
    BankOrder,
    Difference,
    Finding,
    Held,
    Kind,
    OurPayment,
    Posting,
    RegisterLine,
    Source,
    What,
    held,
)
from services.payments.reconciliation.settling import settled_by
from shared.money import Kopecks, format_roubles

ALL: frozenset[Source] = frozenset(Source)
MISMATCH = "mismatch"
SUSPENSE = "suspended"
SENT_BACK = "returned"
"""A line of a register whose money was never credited, and went back to the bank."""
DIFFERS = "differs"
"""A row of a later file that says another sum or account of a payment that is known."""
_OF_STATE = {SUSPENSE: What.STATE, DIFFERS: What.SUM}
BANK = "bank"
NOTHING = "-"


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """What each source holds."""

    ours: Sequence[OurPayment] = ()
    orders: Sequence[BankOrder] = ()
    postings: Sequence[Posting] = ()
    lines: Sequence[RegisterLine] = ()

    def held(self, source: Source) -> Held:
        """Return what a source holds in all."""
        match source:
            case Source.ORDERS:
                return held(tuple(self.ours))
            case Source.ACQUIRER:
                return held(tuple(self.orders))
            case Source.LEDGER:
                return held(tuple(self.postings))
            case Source.REGISTER:
                return held(tuple(self.lines))


def compare(records: Records, sources: Collection[Source] = ALL) -> list[Finding]:
    """Return a finding for each payment, in the order of the records.

    Only `sources` are compared with our orders; what others hold is in the findings all the same.
    """
    return [_judged(finding, sources) for finding in _joined(records)]


def _joined(records: Records) -> Iterator[Finding]:
    """Put together what belongs to one payment; every record is in exactly one finding."""
    ours: dict[str, OurPayment | None] = {}
    alone: list[OurPayment] = []
    numbers: dict[str, str] = {}
    for payment in records.ours:
        if payment.payment_id in ours:
            alone.append(payment)
            continue
        ours[payment.payment_id] = payment
        numbers |= dict.fromkeys(payment.order_numbers, payment.payment_id)
    orders: dict[str | None, list[BankOrder]] = {}
    for order in records.orders:
        orders.setdefault(numbers.get(order.order_number), []).append(order)
    postings: dict[str, list[Posting]] = {}
    for posting in records.postings:
        postings.setdefault(posting.payment_id, []).append(posting)
    lines: dict[str, RegisterLine] = {}
    for line in records.lines:
        if line.payment_id is None or line.payment_id in lines:
            yield Finding(payment_id=line.payment_id, register=line)
        else:
            lines[line.payment_id] = line
    for payment_id in dict.fromkeys((*ours, *postings, *lines)):
        yield Finding(
            payment_id=payment_id,
            ours=ours.get(payment_id),
            orders=tuple(orders.get(payment_id, ())),
            postings=tuple(postings.get(payment_id, ())),
            register=lines.get(payment_id),
        )
    yield from (Finding(payment_id=one.payment_id, ours=one) for one in alone)
    yield from (Finding(payment_id=None, orders=(order,)) for order in orders.get(None, ()))


def _judged(finding: Finding, sources: Collection[Source]) -> Finding:
    found: list[Difference] = []
    if Source.ACQUIRER in sources and (finding.ours or finding.orders):
        found += _with_acquirer(finding)
    if finding.register or _is_of_bank(finding):
        if Source.REGISTER in sources:
            found += _with_register(finding)
    elif Source.LEDGER in sources and (finding.postings or finding.ours):
        found += _with_ledger(finding)
    settled = tuple(settled_by(finding, difference) for difference in found)
    return msgspec.structs.replace(finding, differences=settled)


def _with_acquirer(finding: Finding) -> Iterator[Difference]:
    ours, bank = finding.ours, held(finding.orders)
    there = _bank_text(finding.orders)
    here = _our_text(ours)
    if ours is None or not ours.amount:
        if bank.amount > bank.returned:
            mismatch = ours is not None and ours.state == MISMATCH
            yield Difference(
                source=Source.ACQUIRER,
                kind=Kind.DIFFERING if mismatch else Kind.MISSING_HERE,
                what=(What.SUM,) if mismatch else (What.PAYMENT,),
                here=here,
                there=there,
            )
        return
    if not bank.amount:
        yield Difference(
            source=Source.ACQUIRER,
            kind=Kind.MISSING_THERE,
            what=(What.PAYMENT,),
            here=here,
            there=there,
        )
        return
    what = []
    if bank.amount != ours.amount:
        what.append(What.SUM)
    if bank.returned != ours.returned:
        what.append(What.RETURNED)
    if ours.day not in {order.day for order in finding.orders if order.amount}:
        what.append(What.DAY)
    if what:
        yield Difference(
            source=Source.ACQUIRER, kind=Kind.DIFFERING, what=tuple(what), here=here, there=there
        )


def _with_ledger(finding: Finding) -> Iterator[Difference]:
    ours = finding.ours
    postings = tuple(posting for posting in finding.postings if not posting.by_staff)
    there = _ledger_text(postings)
    if ours is None or not ours.amount:
        if postings and _left(postings):
            yield Difference(
                source=Source.LEDGER,
                kind=Kind.MISSING_HERE,
                what=(What.PAYMENT,),
                here=_our_text(ours),
                there=there,
            )
        return
    if not postings:
        yield Difference(
            source=Source.LEDGER,
            kind=Kind.MISSING_THERE,
            what=(What.PAYMENT,),
            here=_our_text(ours),
            there=NOTHING,
        )
        return
    what = tuple(_of_lines(ours, postings))
    if what:
        yield Difference(
            source=Source.LEDGER,
            kind=Kind.DIFFERING,
            what=what,
            here=_our_text(ours),
            there=there,
        )


def _of_lines(ours: OurPayment, postings: tuple[Posting, ...]) -> Iterator[What]:
    """Yield how the postings differ from the lines, each kind once."""
    wanted = {line.account: (line.amount, line.returned) for line in ours.lines}
    posted: dict[str, tuple[Kopecks, Kopecks]] = {}
    for posting in postings:
        amount, returned = posted.get(posting.account, (0, 0))
        posted[posting.account] = (amount + posting.amount, returned + posting.returned)
    if {account: sums[0] for account, sums in wanted.items()} != {
        account: sums[0] for account, sums in posted.items()
    }:
        yield What.SUM
    taken_back = any(posting.reversed for posting in postings)
    if taken_back and held(postings).returned != ours.returned:
        yield What.STATE
    elif not taken_back and any(
        wanted[account][1] != posted[account][1] for account in wanted.keys() & posted.keys()
    ):
        yield What.RETURNED
    if ours.day not in {posting.day for posting in postings}:
        yield What.DAY


def _is_of_bank(finding: Finding) -> bool:
    """Return whether the postings came from a bank's register."""
    return finding.ours is None and any(
        posting.place == BANK and not posting.by_staff for posting in finding.postings
    )


def _with_register(finding: Finding) -> Iterator[Difference]:
    line = finding.register
    here, there = _ledger_text(finding.postings), _line_text(line)
    if line is None:
        if _left(finding.postings):
            yield Difference(
                source=Source.REGISTER,
                kind=Kind.MISSING_THERE,
                what=(What.PAYMENT,),
                here=here,
                there=there,
            )
        return
    if not finding.postings:
        if line.state == SENT_BACK:
            return
        kind = Kind.DIFFERING if line.state == DIFFERS else Kind.MISSING_HERE
        yield Difference(
            source=Source.REGISTER,
            kind=kind,
            what=(_OF_STATE.get(line.state, What.PAYMENT),),
            here=NOTHING,
            there=there,
        )
        return
    # What was reversed and posted to another account is there once.
    left, wanted = _left(finding.postings), 0 if line.state == SENT_BACK else line.amount
    what = []
    if left != wanted:
        what.append(What.SUM if left else What.STATE)
    if {posting.day for posting in finding.postings} != {line.day}:
        what.append(What.DAY)
    if what:
        yield Difference(
            source=Source.REGISTER, kind=Kind.DIFFERING, what=tuple(what), here=here, there=there
        )


def _left(postings: tuple[Posting, ...]) -> Kopecks:
    found = held(postings)
    return found.amount - found.returned


def _our_text(ours: OurPayment | None) -> str:
    return _text(ours.state, ours.amount, ours.returned, ours.day) if ours else NOTHING


def _bank_text(orders: tuple[BankOrder, ...]) -> str:
    return (
        "; ".join(_text(one.state, one.amount, one.returned, one.day) for one in orders) or NOTHING
    )


def _ledger_text(postings: tuple[Posting, ...]) -> str:
    if not postings:
        return NOTHING
    found = held(postings)
    state = "reversed" if any(posting.reversed for posting in postings) else "posted"
    return _text(state, found.amount, found.returned, postings[0].day)


def _line_text(line: RegisterLine | None) -> str:
    if line is None:
        return NOTHING
    return f"{_text(line.state, line.amount, 0, line.day)} {line.register}"


def _text(state: str, amount: Kopecks, returned: Kopecks, day: object) -> str:
    back = f" -{format_roubles(returned)}" if returned else ""
    return f"{state} {format_roubles(amount)}{back}" + (f" {day}" if day else "")
