"""The fold over the facts of one account, piece by piece. All sums are kopecks.

Each debt is a heap of pieces; a piece is unpaid, or was paid by one payment (or by an advance) on
one day. Every figure is a sum over pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from tests.ledger_oracle.facts import Fact, by_effect
from tests.ledger_oracle.law import CAPITAL_REPAIR, penalty, rate_changes

ADVANCE = "advance"


@dataclass(frozen=True)
class Debt:
    """One service of one month, owed since one day; ``turn`` orders the debts."""

    turn: int
    period: str
    service: str
    kind: str
    due_on: date
    since: date
    late_after: date


PENALTY = Debt(0, "", "", "", date.max, date.max, date.max)
"""What pays the penalty is a piece of this debt, which bears none itself."""


@dataclass
class Piece:
    """Kopecks of a debt. ``payer`` is a payment, or ADVANCE; empty while they are unpaid."""

    amount: int
    debt: Debt
    payer: str = ""
    paid_on: date | None = None
    turn: int = 0


@dataclass(frozen=True)
class State:
    """What an account owes by the end of a day: ``principal`` by period and service."""

    principal: Mapping[str, Mapping[str, int]]
    penalty: int
    paid: int
    waived: int
    advance: int

    @property
    def owed(self) -> int:
        """What of the penalty is neither paid nor waived."""
        return self.penalty - self.paid - self.waived

    @property
    def total(self) -> int:
        """The principal of all periods."""
        return sum(self.services.values())

    @property
    def services(self) -> dict[str, int]:
        """The principal by service."""
        sums: dict[str, int] = {}
        for month in self.principal.values():
            for service, amount in month.items():
                sums[service] = sums.get(service, 0) + amount
        return sums


def state_of(facts: Sequence[Fact], on: date) -> State:
    """Return the state of an account by the facts that have taken effect by a day."""
    return states_of(facts, [on])[on]


def states_of(facts: Sequence[Fact], days: Iterable[date]) -> dict[date, State]:
    """Return the state by the end of each of several days."""
    in_order, asked = by_effect(facts), sorted(set(days))
    first = min([*asked, *(fact.day for fact in in_order)])
    changes = set(rate_changes(first, asked[-1]))
    stops = {*asked, *(fact.day for fact in in_order), *changes}
    account, states = _Account(), dict[date, State]()
    for day in sorted(day for day in stops if day <= asked[-1]):
        today = [fact for fact in in_order if fact.day == day]
        if day in changes:
            # A rate that falls gives money back before anything takes effect on its first day.
            account.settle(day)
        for fact in today:
            getattr(account, f"_{fact.what}")(fact)
            account.settle(day, fact.period if fact.what in ("open", "bill", "adjust") else "")
        if not today:
            account.settle(day)
        if day in asked:
            states[day] = account.state(day)
    return states


@dataclass
class _Account:
    kind: str = ""
    pieces: list[Piece] = field(default_factory=list)
    penalty_paid: list[Piece] = field(default_factory=list)
    waived: int = 0
    advance: int = 0
    received: dict[str, int] = field(default_factory=dict)
    due_on: dict[str, date] = field(default_factory=dict)
    turns: int = 0

    def state(self, day: date) -> State:
        principal: dict[str, dict[str, int]] = {}
        for piece in self.pieces:
            if piece.amount and not piece.payer:
                month = principal.setdefault(piece.debt.period, {})
                month[piece.debt.service] = month.get(piece.debt.service, 0) + piece.amount
        paid = sum(piece.amount for piece in self.penalty_paid)
        return State(principal, self.penalty(day), paid, self.waived, self.advance)

    def penalty(self, day: date) -> int:
        """Return the penalty by the rules: services of a month that fall due together are one."""
        debts: dict[tuple[str, str, date, date, date], list[tuple[int, date | None]]] = {}
        for piece in self.pieces:
            if piece.amount:
                debt = piece.debt
                key = (debt.period, debt.kind, debt.due_on, debt.since, debt.late_after)
                debts.setdefault(key, []).append((piece.amount, piece.paid_on))
        return sum(
            penalty(kind, late_after, tuple(parts), day)
            for (_, kind, _, _, late_after), parts in debts.items()
        )

    def settle(self, day: date, own_period: str = "") -> None:
        """Give back what is paid beyond the penalty, and let what is left over pay what is owed."""
        beyond = max(0, -self._owed(day))
        unwaived = min(beyond, self.waived)
        self.waived -= unwaived
        self.advance += self._take_off(self._last_first(self.penalty_paid), beyond - unwaived)
        self.advance = self._pay_principal(ADVANCE, self.advance, day, own_period)
        self.advance = self._pay_penalty(ADVANCE, self.advance, day)
        self.pieces = [piece for piece in self.pieces if piece.amount]
        self.penalty_paid = [piece for piece in self.penalty_paid if piece.amount]

    # The facts.

    def _open(self, fact: Fact) -> None:
        self.kind = fact.kind or self.kind
        assert fact.due_on
        self._owe(fact, fact.due_on)
        # What was paid ahead then has been here all along: it pays as of the day due.
        back = -sum(amount for amount in fact.lines.values() if amount < 0)
        day = min(fact.day, fact.due_on)
        self.advance += self._pay_principal(ADVANCE, back, day, fact.period)

    def _kind(self, fact: Fact) -> None:
        self.kind = fact.kind

    def _bill(self, fact: Fact) -> None:
        assert fact.due_on
        self.due_on[fact.period] = fact.due_on
        self._owe(fact, max(fact.due_on, fact.day))
        self.advance -= sum(amount for amount in fact.lines.values() if amount < 0)

    def _adjust(self, fact: Fact) -> None:
        due_on = fact.due_on or self.due_on[fact.period]
        self._owe(replace(fact, due_on=due_on), max(due_on, fact.day))
        for service, amount in fact.lines.items():
            if amount < 0:
                key = (fact.period, service)
                own = [p for p in self.pieces if (p.debt.period, p.debt.service) == key]
                open_ones = [piece for piece in own if not piece.payer]
                open_ones.sort(key=lambda piece: piece.debt.turn, reverse=True)
                rest = -amount - self._take_off(open_ones, -amount)
                self._take_off(self._last_first(piece for piece in own if piece.payer), rest)
                # What is taken off beyond the bill is money back too.
                self.advance += rest

    def _pay(self, fact: Fact) -> None:
        self.received[fact.name] = fact.amount + fact.penalty
        rest = self._pay_principal(fact.name, fact.amount, fact.day, fact.period)
        rest += self._pay_penalty(fact.name, fact.penalty, fact.day)
        rest = self._pay_principal(fact.name, rest, fact.day, fact.period)
        self.advance += self._pay_penalty(fact.name, rest, fact.day)

    def _reverse(self, fact: Fact) -> None:
        self._undo(fact.name, fact.amount or self.received[fact.name])

    def _refund(self, fact: Fact) -> None:
        self._undo(fact.payment, fact.amount)

    def _undo(self, name: str, amount: int) -> None:
        """Undo the last that a payment did: what it left over, the penalty, the newest month."""
        own = [p for p in [*self.pieces, *self.penalty_paid] if p.payer == name]
        over = self.received[name] - sum(piece.amount for piece in own)
        self.received[name] -= amount
        left = amount - self._take_what_was_left_over(min(amount, over))
        left -= self._unpay_last_first((p for p in own if p.debt is PENALTY), left)
        for month in sorted({p.debt.period for p in own if p.debt is not PENALTY}, reverse=True):
            paid: dict[str, int] = {}
            of_month = [p for p in own if p.debt is not PENALTY and p.debt.period == month]
            for piece in of_month:
                paid[piece.debt.service] = paid.get(piece.debt.service, 0) + piece.amount
            for service, share in shares(min(left, sum(paid.values())), paid).items():
                of_service = [p for p in of_month if p.debt.service == service]
                left -= self._unpay_last_first(of_service, share)
        assert left == 0, "no more goes back than there was"

    def _take_what_was_left_over(self, amount: int) -> int:
        left = amount - min(amount, self.advance)
        self.advance -= amount - left
        spent = (p for p in [*self.pieces, *self.penalty_paid] if p.payer == ADVANCE)
        assert self._unpay_last_first(spent, left) == left, (
            "a payment's money is in what it pays, in the advance, or in what that paid"
        )
        return amount

    def _write_off(self, fact: Fact) -> None:
        self.waived += min(fact.amount, max(0, self.penalty(fact.day) - self.waived))
        # What turns out to have been paid before it was waived is money back.
        paid_before = max(0, -self._owed(fact.day))
        self.advance += self._take_off(self._last_first(self.penalty_paid), paid_before)

    # The operations on pieces.

    def _owed(self, day: date) -> int:
        paid = sum(piece.amount for piece in self.penalty_paid)
        return self.penalty(day) - paid - self.waived

    def _owe(self, fact: Fact, late_after: date) -> None:
        for service, amount in sorted(fact.lines.items()):
            if amount > 0:
                kind = CAPITAL_REPAIR if service == CAPITAL_REPAIR else self.kind
                assert fact.due_on
                self.turns += 1
                debt = Debt(
                    self.turns, fact.period, service, kind, fact.due_on, fact.day, late_after
                )
                self.pieces.append(Piece(amount, debt))

    def _pay_principal(self, payer: str, amount: int, day: date, first: str = "") -> int:
        """Pay the oldest month first, after a named one; return what is left of the amount."""
        months = {piece.debt.period for piece in self.pieces}
        for month in sorted(months, key=lambda period: (period != first, period)):
            own = [p for p in self.pieces if p.debt.period == month and not p.payer]
            owed: dict[str, int] = {}
            for piece in own:
                owed[piece.debt.service] = owed.get(piece.debt.service, 0) + piece.amount
            take = min(amount, sum(owed.values()))
            for service, share in shares(take, owed).items():
                self._mark([p for p in own if p.debt.service == service], share, payer, day)
            amount -= take
        return amount

    def _mark(self, pieces: Sequence[Piece], amount: int, payer: str, day: date) -> None:
        for piece in sorted(pieces, key=lambda piece: piece.debt.turn):
            take = min(amount, piece.amount)
            if take:
                self.turns += 1
                piece.amount -= take
                self.pieces.append(Piece(take, piece.debt, payer, day, self.turns))
                amount -= take

    def _pay_penalty(self, payer: str, amount: int, day: date) -> int:
        take = min(amount, max(0, self._owed(day)))
        if take:
            self.turns += 1
            self.penalty_paid.append(Piece(take, PENALTY, payer, day, self.turns))
        return amount - take

    def _unpay(self, piece: Piece, amount: int) -> int:
        """Let kopecks of a piece be owed again, as if they had never been paid."""
        piece.amount -= amount
        if amount and piece.debt is not PENALTY:
            self.pieces.append(Piece(amount, piece.debt))
        return amount

    def _unpay_last_first(self, pieces: Iterable[Piece], amount: int) -> int:
        """Let at most an amount of pieces be owed again; return how much of it there was."""
        left = amount
        for piece in self._last_first(pieces):
            left -= self._unpay(piece, min(left, piece.amount))
        return amount - left

    def _take_off(self, pieces: Iterable[Piece], amount: int) -> int:
        """Take kopecks off pieces in their order; return how many there were."""
        taken = 0
        for piece in pieces:
            part = min(amount - taken, piece.amount)
            piece.amount -= part
            taken += part
        return taken

    def _last_first(self, pieces: Iterable[Piece]) -> list[Piece]:
        return sorted(pieces, key=lambda piece: piece.turn, reverse=True)


def shares(amount: int, owed: Mapping[str, int]) -> dict[str, int]:
    """Divide an amount in proportion to what is owed; the largest remainders get what is left."""
    whole = sum(owed.values())
    if not amount:
        return {}
    exact = {service: Fraction(amount * owed[service], whole) for service in sorted(owed)}
    parts = {service: int(share) for service, share in exact.items()}
    by_remainder = sorted(exact, key=lambda service: (parts[service] - exact[service], service))
    for service in by_remainder[: amount - sum(parts.values())]:
        parts[service] += 1
    return parts
