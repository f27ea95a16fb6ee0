"""The books of one account as a clerk keeps them by hand. All figures are kopecks.

Nothing here is imported from the ledger. A debt is a heap of slices: so many kopecks of one service
of one month, each unpaid or paid by somebody on some day. Paying colours slices, undoing a payment
takes the colour off again, a recalculation adds slices or throws some away; every figure is a sum
over slices. The rules are those of how a payment settles: oldest month first, within a month pro
rata by service with the largest remainders, the penalty apart, the rest an advance for later
bills.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from tests.simulation.lateness import Late, penalty_by_law

TAKEN_OVER = "0001-01"
ADVANCE = "advance"
CAPITAL_REPAIR = "capital_repair"


@dataclass(slots=True)
class Entry:
    """One thing that happened, on the day it took effect; ``what`` is a method of Books."""

    day: date
    what: str
    given: tuple[Any, ...]


@dataclass(slots=True)
class Slice:
    """Kopecks of one debt; ``payer`` is empty while they are unpaid, ``turn`` when they were."""

    amount: int
    period: str
    service: str
    due_on: date
    since: date
    lot: int
    payer: str = ""
    paid_on: date | None = None
    turn: int = 0


@dataclass
class Books:
    """What the entries so far come to."""

    payer_kind: str = ""
    debts: list[Slice] = field(default_factory=list)
    fines: list[Slice] = field(default_factory=list)
    advance: int = 0
    accrued: int = 0
    waived: int = 0
    counted_through: date | None = None
    fined_on: date = date.min
    payments: dict[str, tuple[date, int]] = field(default_factory=dict)
    bills: dict[str, tuple[date, date]] = field(default_factory=dict)
    entries: int = 0
    turns: int = 0

    @property
    def principal(self) -> int:
        return sum(piece.amount for piece in self.debts if not piece.payer)

    @property
    def penalty(self) -> int:
        return sum(piece.amount for piece in self.fines if not piece.payer)

    def open_items(self) -> dict[str, dict[str, int]]:
        """Month -> service -> what is owed."""
        owed: dict[str, dict[str, int]] = {}
        for piece in self.debts:
            if not piece.payer:
                month = owed.setdefault(piece.period, {})
                month[piece.service] = month.get(piece.service, 0) + piece.amount
        return owed

    def services(self) -> dict[str, int]:
        """Service -> what is owed."""
        owed: dict[str, int] = {}
        for piece in self.debts:
            if not piece.payer:
                owed[piece.service] = owed.get(piece.service, 0) + piece.amount
        return owed

    def keep(self, entry: Entry) -> None:
        """Enter one entry."""
        self.entries += 1
        getattr(self, entry.what)(entry.day, *entry.given)

    # What happens, as entries name it.

    def open(self, day: date, payer_kind: str, lines: Mapping[str, int]) -> None:
        """Take the account over; what is owed to the payer pays nothing of what he owes."""
        self.payer_kind = payer_kind or self.payer_kind
        self._owe(TAKEN_OVER, lines, day, day)
        self._pay_ahead(TAKEN_OVER, lines, day)
        self.advance += sum(-amount for amount in lines.values() if amount < 0)

    def charge(self, day: date, period: str, due_on: date, lines: Mapping[str, Any]) -> None:
        """Bill a month; what comes out below nothing is money back, which pays the rest."""
        payable = {service: sum(line) for service, line in lines.items()}
        self.bills[period] = (due_on, day)
        self._owe(period, payable, due_on, day)
        self.advance += sum(-amount for amount in payable.values() if amount < 0)
        self._pay_ahead(period, payable, day)

    def adjust(self, day: date, period: str, lines: Mapping[str, int]) -> None:
        """Recalculate a month: what is taken off goes off the unpaid, then off the paid."""
        self._owe(period, lines, self.bills[period][0], day)
        for service, amount in lines.items():
            if amount < 0:
                mine = [p for p in self.debts if (p.period, p.service) == (period, service)]
                rest = _throw_away(_unpaid(mine, last_first=True), -amount)
                _throw_away(_paid(mine), rest)
                self.advance += rest
        self.debts = [piece for piece in self.debts if piece.amount]
        self._pay_ahead(period, lines, day)

    def fine(self, day: date, amount: int) -> None:
        """Add a penalty."""
        self.accrued += amount
        self.fined_on = max(self.fined_on, day)
        self.counted_through = max(self.counted_through or day, day)
        self._change_fine(day, amount)

    def correct_fine(self, day: date, amount: int, waived: int, through: date) -> None:
        """Change the penalty by a difference; ``waived`` of it is only waived no longer."""
        self.accrued += amount
        self.waived -= waived
        self.fined_on = max(self.fined_on, day)
        self.counted_through = max(self.counted_through or through, through)
        self._change_fine(day, amount + waived)

    def waive(self, day: date, amount: int) -> None:
        """Let go of a penalty that is owed."""
        self.waived += amount
        self.fined_on = max(self.fined_on, day)
        self._change_fine(day, -amount)

    def pay(self, day: date, name: str, amount: int, penalty: int | None, first: str) -> None:
        """Take a payment; no ``penalty`` means that one sum was named for all."""
        left = amount
        owed = self.open_items()
        for period in sorted(owed, key=lambda month: (month != first, month)):
            take = min(left, sum(owed[period].values()))
            self._pay_shares(period, owed[period], take, name, day)
            left -= take
        for_penalty = min(self.penalty, left if penalty is None else penalty)
        self._colour(self.fines, for_penalty, name, day)
        self.advance += left + (penalty or 0) - for_penalty
        self.payments[name] = (day, amount + (penalty or 0))

    def reverse(self, day: date, name: str) -> None:
        """Undo a payment: what it pays is owed again, the rest comes out of the advance."""
        left = self.payments.pop(name)[1]
        for piece in (*self.debts, *self.fines):
            if piece.payer == name:
                piece.payer, piece.paid_on = "", None
                left -= piece.amount
        taken = min(left, self.advance)
        self.advance -= taken
        left -= taken
        for piece in _paid([piece for piece in self.debts if piece.payer == ADVANCE]):
            if left >= piece.amount:
                piece.payer, piece.paid_on = "", None
                left -= piece.amount
            elif left:
                piece.amount -= left
                self._add(self.debts, left, piece, piece.lot)
                left = 0
        assert not left, "all that came in went somewhere"

    def accrue(self, on: date) -> list[Entry]:
        """Bring the penalty up to a day by law; return what that makes happen, entered already."""
        made: list[Entry] = []
        through = self.counted_through
        if through is not None:
            if on < through:
                return []
            if change := self.by_law(through) - self.accrued:
                made.append(self._correction(on, change, through))
        if (added := self.by_law(on) - self.accrued) > 0:
            made.append(Entry(on, "fine", (added,)))
            self.keep(made[-1])
        elif added:
            made.append(self._correction(on, added, on))
        return made

    def by_law(self, on: date) -> int:
        """What the law says the penalty on all debts is by a day."""
        heaps: dict[tuple[str, str, date, date], Late] = {}
        for piece in self.debts:
            kind = self.payer_kind
            if piece.service == CAPITAL_REPAIR:
                kind = CAPITAL_REPAIR
            key = (piece.period, kind, piece.due_on, piece.since)
            if key not in heaps:
                heaps[key] = Late(kind, max(piece.due_on, piece.since))
            heaps[key].parts.append((piece.amount, piece.paid_on))
        return sum(penalty_by_law(late, on) for late in heaps.values())

    # How it is done.

    def _correction(self, on: date, amount: int, through: date) -> Entry:
        waived = min(self.waived, max(0, -amount - self.penalty))
        entry = Entry(max(on, self.fined_on), "correct_fine", (amount, waived, through))
        self.keep(entry)
        return entry

    def _owe(self, period: str, lines: Mapping[str, int], due_on: date, since: date) -> None:
        self.turns += 1
        for service, amount in lines.items():
            if amount > 0:
                self.debts.append(Slice(amount, period, service, due_on, since, self.turns))

    def _pay_ahead(self, period: str, lines: Mapping[str, int], day: date) -> None:
        owed = {service: amount for service, amount in lines.items() if amount > 0}
        take = min(self.advance, sum(owed.values()))
        self._pay_shares(period, owed, take, ADVANCE, day)
        self.advance -= take

    def _pay_shares(
        self, period: str, owed: Mapping[str, int], take: int, payer: str, day: date
    ) -> None:
        for service, share in shares(take, owed).items():
            mine = [p for p in self.debts if (p.period, p.service) == (period, service)]
            self._colour(self.debts, share, payer, day, mine)

    def _colour(
        self,
        heap: list[Slice],
        amount: int,
        payer: str,
        day: date,
        among: list[Slice] | None = None,
    ) -> None:
        for piece in _unpaid(heap if among is None else among):
            take = min(amount, piece.amount)
            if not take:
                break
            if take < piece.amount:
                self._add(heap, piece.amount - take, piece, piece.lot)
                piece.amount = take
            self.turns += 1
            piece.payer, piece.paid_on, piece.turn = payer, day, self.turns
            amount -= take

    def _add(self, heap: list[Slice], amount: int, like: Slice, lot: int) -> None:
        heap.append(Slice(amount, like.period, like.service, like.due_on, like.since, lot))

    def _change_fine(self, day: date, amount: int) -> None:
        if amount > 0:
            self.turns += 1
            self.fines.append(Slice(amount, "", "", day, day, self.turns))
            return
        rest = _throw_away(_unpaid(self.fines, last_first=True), -amount)
        _throw_away(_paid(self.fines), rest)
        self.advance += rest
        self.fines = [piece for piece in self.fines if piece.amount]


def by_effective_day(entries: Iterable[Entry]) -> list[Entry]:
    """The entries by their days; what was taken over was owed before all that happened here."""
    entries = list(entries)
    happened = sorted((e for e in entries if e.what != "open"), key=lambda entry: entry.day)
    taken_over = [e for e in entries if e.what == "open"]
    day = happened[0].day if happened else date.max
    openings: list[Entry] = []
    for entry in reversed(taken_over):
        day = min(day, entry.day)
        openings.insert(0, Entry(day, "open", entry.given))
    return [*openings, *happened]


def shares(take: int, owed: Mapping[str, int]) -> dict[str, int]:
    """Divide a sum in proportion to debts; kopecks left over go to the largest remainders."""
    if not take:
        return {}
    whole = sum(owed.values())
    exact = {service: Fraction(take * owed[service], whole) for service in sorted(owed)}
    parts = {service: int(share) for service, share in exact.items()}
    by_remainder = sorted(exact, key=lambda service: (parts[service] - exact[service], service))
    for service in by_remainder[: take - sum(parts.values())]:
        parts[service] += 1
    return parts


def _unpaid(heap: Iterable[Slice], *, last_first: bool = False) -> list[Slice]:
    found = [piece for piece in heap if not piece.payer]
    return sorted(found, key=lambda piece: piece.lot, reverse=last_first)


def _paid(heap: Iterable[Slice]) -> list[Slice]:
    found = [piece for piece in heap if piece.payer]
    return sorted(found, key=lambda piece: piece.turn, reverse=True)


def _throw_away(heap: Iterable[Slice], amount: int) -> int:
    """Throw away so many kopecks of some slices; return how many there were not."""
    for piece in heap:
        take = min(amount, piece.amount)
        piece.amount -= take
        amount -= take
    return amount


def told(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Books]]:
    """Yield each entry with the books after it; it is one and the same book all along."""
    books = Books()
    for entry in entries:
        books.keep(entry)
        yield entry, books
