"""The facts of an account in the order of their effect, read from its events in any order.

Accruals and corrections of penalty are no facts: they book what the rules say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.ledger_oracle.law import due_on

TAKEN_OVER = "0001-01"
ORDER = ("open", "kind", "bill", "adjust", "pay", "take_back", "write_off")
"""The order of facts within a day."""
TAKEN_BACK = ("reverse", "refund")


@dataclass(frozen=True)
class Fact:
    """One fact; ``name`` identifies it among those of its kind and day.

    ``payment`` is that of a refund. A reversal of no ``amount`` is of all that is left; ``to`` is
    the account that this is moved to.
    """

    day: date
    what: str
    name: str = ""
    period: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    due_on: date | None = None
    amount: int = 0
    penalty: int = 0
    kind: str = ""
    payment: str = ""
    to: str = ""

    @property
    def turn(self) -> int:
        """Its place within a day."""
        return ORDER.index("take_back" if self.what in TAKEN_BACK else self.what)


def facts_of(events: Iterable[Any]) -> list[Fact]:
    """Return the facts among the events of an account, in the order of these events."""
    found = (_fact(event) for event in events)
    return [fact for fact in found if fact is not None]


def by_effect(facts: Sequence[Fact]) -> list[Fact]:
    """Return facts in the order of effect; what was taken over was owed before all the others."""
    happened = sorted(
        (fact for fact in facts if fact.what != "open"),
        key=lambda fact: (fact.day, fact.turn, fact.name),
    )
    first = happened[0].day if happened else date.max
    opened: list[Fact] = []
    for fact in reversed([fact for fact in facts if fact.what == "open"]):
        first = min(first, fact.day)
        opened.insert(0, replace(fact, day=first, due_on=fact.due_on or fact.day))
    return [*opened, *happened]


def _fact(event: Any) -> Fact | None:  # noqa: PLR0911 - one for each event
    day = event.effective_on
    match type(event).__name__:
        case "AccountOpened" | "OpeningPosted":
            lines = {item.service: item.amount for item in event.opening}
            due = getattr(event, "due_on", None)
            kind = getattr(event, "payer_kind", "")
            return Fact(day, "open", period=TAKEN_OVER, lines=lines, due_on=due, kind=kind)
        case "PayerKindChanged":
            return Fact(day, "kind", kind=event.payer_kind)
        case "ChargesPosted":
            lines = {line.service: line.payable for line in event.lines}
            return Fact(day, "bill", event.period, event.period, lines, event.due_on)
        case "ChargesAdjusted":
            lines = {line.service: line.amount for line in event.lines}
            name, due = str(event.adjustment_id), getattr(event, "due_on", due_on(day))
            return Fact(day, "adjust", name, event.period, lines, due)
        case "PaymentPosted":
            return Fact(
                day,
                "pay",
                str(event.payment_id),
                event.named_period,
                amount=event.amount,
                penalty=event.penalty,
            )
        case "PaymentReversed":
            return Fact(day, "reverse", str(event.payment_id), amount=event.amount + event.penalty)
        case "PaymentRefunded":
            name, payment = str(event.refund_id), str(event.payment_id)
            return Fact(day, "refund", name, amount=event.amount, payment=payment)
        case "PenaltyWrittenOff":
            return Fact(day, "write_off", amount=event.amount)
    return None
