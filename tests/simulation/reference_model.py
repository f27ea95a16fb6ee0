"""The reference model of one account, independent of the ledger's code. All sums are kopecks.

A debt is a list of slices: kopecks of one service of one month, each unpaid or paid by one
payment on one day. A payment marks slices as paid, a reversal unmarks them, an adjustment adds or
removes slices; every figure is a sum over slices. A payment is allocated to the oldest month
first, within a month pro rata by service with the largest remainders, to the penalty separately,
and the rest becomes an advance for later bills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """An event on the day of its effect; ``what`` names the method of ModelAccount to call."""

    day: date
    what: str
    values: tuple[Any, ...]


@dataclass(slots=True)
class Slice:
    """Kopecks of one debt.

    ``payer`` is the payment's name or ADVANCE, empty while unpaid; ``paid_turn`` orders the
    payments of slices, ``debt`` the debts.
    """

    amount: int
    period: str
    service: str
    due_on: date
    since: date
    debt: int
    payer: str = ""
    paid_on: date | None = None
    paid_turn: int = 0


@dataclass
class ModelAccount:
    """The state of an account after the entries so far."""

    payer_kind: str = ""
    debts: list[Slice] = field(default_factory=list)
    penalties: list[Slice] = field(default_factory=list)
    advance: int = 0
    accrued: int = 0
    waived: int = 0
    counted_through: date | None = None
    penalty_changed_on: date = date.min
    payments: dict[str, tuple[date, int]] = field(default_factory=dict)
    bills: dict[str, tuple[date, date]] = field(default_factory=dict)
    entries: int = 0
    turns: int = 0

    @property
    def principal(self) -> int:
        return sum(piece.amount for piece in self.debts if not piece.payer)

    @property
    def penalty(self) -> int:
        return sum(piece.amount for piece in self.penalties if not piece.payer)

    def open_items(self) -> dict[str, dict[str, int]]:
        """Return month -> service -> kopecks owed."""
        owed: dict[str, dict[str, int]] = {}
        for piece in self.debts:
            if not piece.payer:
                month = owed.setdefault(piece.period, {})
                month[piece.service] = month.get(piece.service, 0) + piece.amount
        return owed

    def services(self) -> dict[str, int]:
        """Return service -> kopecks owed."""
        owed: dict[str, int] = {}
        for piece in self.debts:
            if not piece.payer:
                owed[piece.service] = owed.get(piece.service, 0) + piece.amount
        return owed

    def record(self, entry: Entry) -> None:
        """Apply an entry."""
        self.entries += 1
        getattr(self, entry.what)(entry.day, *entry.values)

    # The kinds of entries.

    def open(self, day: date, payer_kind: str, lines: Mapping[str, int]) -> None:
        """Post the opening balance; its credits become an advance and pay none of its debts."""
        self.payer_kind = payer_kind or self.payer_kind
        self._owe(TAKEN_OVER, lines, day, day)
        self._pay_ahead(TAKEN_OVER, lines, day)
        self.advance += sum(-amount for amount in lines.values() if amount < 0)

    def charge(self, day: date, period: str, due_on: date, lines: Mapping[str, Any]) -> None:
        """Post a bill; a negative sum is a refund, which pays the rest of the bill."""
        payable = {service: sum(line) for service, line in lines.items()}
        self.bills[period] = (due_on, day)
        self._owe(period, payable, due_on, day)
        self.advance += sum(-amount for amount in payable.values() if amount < 0)
        self._pay_ahead(period, payable, day)

    def adjust(self, day: date, period: str, lines: Mapping[str, int]) -> None:
        """Adjust a month; a reduction removes unpaid slices first, then paid ones."""
        self._owe(period, lines, self.bills[period][0], day)
        for service, amount in lines.items():
            if amount < 0:
                of_service = [p for p in self.debts if (p.period, p.service) == (period, service)]
                rest = _remove(_unpaid(of_service, last_first=True), -amount)
                _remove(_paid(of_service), rest)
                self.advance += rest
        self.debts = [piece for piece in self.debts if piece.amount]
        self._pay_ahead(period, lines, day)

    def add_penalty(self, day: date, amount: int) -> None:
        """Charge a penalty."""
        self.accrued += amount
        self.penalty_changed_on = max(self.penalty_changed_on, day)
        self.counted_through = max(self.counted_through or day, day)
        self._change_penalty(day, amount)

    def correct_penalty(self, day: date, amount: int, waived: int, through: date) -> None:
        """Change the penalty by a difference; ``waived`` is the part that only ends a waiver."""
        self.accrued += amount
        self.waived -= waived
        self.penalty_changed_on = max(self.penalty_changed_on, day)
        self.counted_through = max(self.counted_through or through, through)
        self._change_penalty(day, amount + waived)

    def waive_penalty(self, day: date, amount: int) -> None:
        """Write off a penalty that is owed."""
        self.waived += amount
        self.penalty_changed_on = max(self.penalty_changed_on, day)
        self._change_penalty(day, -amount)

    def pay(self, day: date, name: str, amount: int, penalty: int | None, first: str) -> None:
        """Post a payment; ``penalty`` None means one sum for debts and penalty."""
        left = amount
        owed = self.open_items()
        for period in sorted(owed, key=lambda month: (month != first, month)):
            take = min(left, sum(owed[period].values()))
            self._pay_shares(period, owed[period], take, name, day)
            left -= take
        for_penalty = min(self.penalty, left if penalty is None else penalty)
        self._mark_paid(self.penalties, for_penalty, name, day)
        self.advance += left + (penalty or 0) - for_penalty
        self.payments[name] = (day, amount + (penalty or 0))

    def reverse(self, day: date, name: str) -> None:
        """Reverse a payment: its slices are owed again, the rest is taken from the advance."""
        left = self.payments.pop(name)[1]
        for piece in (*self.debts, *self.penalties):
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
                self._add(self.debts, left, piece, piece.debt)
                left = 0
        assert not left, "the whole payment is accounted for"

    def accrue(self, on: date) -> list[Entry]:
        """Accrue the penalty up to a day by law; return the entries, already recorded."""
        made: list[Entry] = []
        through = self.counted_through
        if through is not None:
            if on < through:
                return []
            if change := self.by_law(through) - self.accrued:
                made.append(self._correction(on, change, through))
        if (added := self.by_law(on) - self.accrued) > 0:
            made.append(Entry(on, "add_penalty", (added,)))
            self.record(made[-1])
        elif added:
            made.append(self._correction(on, added, on))
        return made

    def by_law(self, on: date) -> int:
        """Return the penalty that the law sets on all debts by a day."""
        debts: dict[tuple[str, str, date, date], Late] = {}
        for piece in self.debts:
            kind = self.payer_kind
            if piece.service == CAPITAL_REPAIR:
                kind = CAPITAL_REPAIR
            key = (piece.period, kind, piece.due_on, piece.since)
            if key not in debts:
                debts[key] = Late(kind, max(piece.due_on, piece.since))
            debts[key].parts.append((piece.amount, piece.paid_on))
        return sum(penalty_by_law(late, on) for late in debts.values())

    # The operations on slices.

    def _correction(self, on: date, amount: int, through: date) -> Entry:
        waived = min(self.waived, max(0, -amount - self.penalty))
        entry = Entry(
            max(on, self.penalty_changed_on), "correct_penalty", (amount, waived, through)
        )
        self.record(entry)
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
            of_service = [p for p in self.debts if (p.period, p.service) == (period, service)]
            self._mark_paid(self.debts, share, payer, day, of_service)

    def _mark_paid(
        self,
        slices: list[Slice],
        amount: int,
        payer: str,
        day: date,
        among: list[Slice] | None = None,
    ) -> None:
        for piece in _unpaid(slices if among is None else among):
            take = min(amount, piece.amount)
            if not take:
                break
            if take < piece.amount:
                self._add(slices, piece.amount - take, piece, piece.debt)
                piece.amount = take
            self.turns += 1
            piece.payer, piece.paid_on, piece.paid_turn = payer, day, self.turns
            amount -= take

    def _add(self, slices: list[Slice], amount: int, like: Slice, debt: int) -> None:
        slices.append(Slice(amount, like.period, like.service, like.due_on, like.since, debt))

    def _change_penalty(self, day: date, amount: int) -> None:
        if amount > 0:
            self.turns += 1
            self.penalties.append(Slice(amount, "", "", day, day, self.turns))
            return
        rest = _remove(_unpaid(self.penalties, last_first=True), -amount)
        _remove(_paid(self.penalties), rest)
        self.advance += rest
        self.penalties = [piece for piece in self.penalties if piece.amount]


def by_effective_day(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries by their days; an opening comes before all others."""
    entries = list(entries)
    happened = sorted((e for e in entries if e.what != "open"), key=lambda entry: entry.day)
    opened = [e for e in entries if e.what == "open"]
    day = happened[0].day if happened else date.max
    openings: list[Entry] = []
    for entry in reversed(opened):
        day = min(day, entry.day)
        openings.insert(0, Entry(day, "open", entry.values))
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


def _unpaid(slices: Iterable[Slice], *, last_first: bool = False) -> list[Slice]:
    found = [piece for piece in slices if not piece.payer]
    return sorted(found, key=lambda piece: piece.debt, reverse=last_first)


def _paid(slices: Iterable[Slice]) -> list[Slice]:
    found = [piece for piece in slices if piece.payer]
    return sorted(found, key=lambda piece: piece.paid_turn, reverse=True)


def _remove(slices: Iterable[Slice], amount: int) -> int:
    """Remove ``amount`` kopecks from slices; return how many were left to remove."""
    for piece in slices:
        take = min(amount, piece.amount)
        piece.amount -= take
        amount -= take
    return amount
