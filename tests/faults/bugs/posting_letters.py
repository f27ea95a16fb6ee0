"""Bugs of the letters."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH

_HAND_OVER = "services.notifications.delivery:Delivery._hand_over"


@plant("letter-is-marked-before-it-is-sent", _HAND_OVER)
def _mark_first(original: Function) -> Function:
    """The letter counts as sent, then the connection breaks."""

    def wrong(self: Any, connection: Any, letter: Any, drawn: Any) -> str:
        if SWITCH.strikes("broken"):
            return f"<{letter.letter_id}@saldo.invalid>"
        return str(original(self, connection, letter, drawn))

    return wrong


@plant("letter-is-sent-twice", _HAND_OVER)
def _send_twice(original: Function) -> Function:
    def wrong(self: Any, connection: Any, letter: Any, drawn: Any) -> str:
        original(self, connection, letter, drawn)
        return str(original(self, connection, letter, drawn))

    return wrong


@plant("claim-of-a-letter-never-ends", "services.notifications.outbox:Outbox.claim")
def _claim_for_ever(original: Function) -> Function:
    def wrong(self: Any, *arguments: Any, **named: Any) -> Any:
        from datetime import timedelta

        named["until"] += timedelta(days=365)
        return original(self, *arguments, **named)

    return wrong


@plant("claim-of-a-letter-never-ends", "services.notifications.delivery:Delivery._deliver")
def _die_with_a_claim(original: Function) -> Function:
    """Whoever has claimed a letter dies before it is sent."""

    def wrong(self: Any, *arguments: Any) -> None:
        if not SWITCH.strikes("died"):
            original(self, *arguments)

    return wrong


@plant("outbox-row-goes-without-a-letter", "services.notifications.outbox:Outbox.add")
def _lose_rows(original: Function) -> Function:
    def wrong(self: Any, letters: Any) -> None:
        """Add nothing: the events say that letters are queued, and nobody sends them."""

    return wrong


@plant("letter-is-never-queued", "services.notifications.queueing:Queue._add")
def _forget(original: Function) -> Function:
    def wrong(self: Any, letter_id: Any, kind: Any, *arguments: Any) -> None:
        if kind.value != "question_answered":
            original(self, letter_id, kind, *arguments)

    return wrong


@plant("letter-goes-to-another-person", "services.notifications.recipes.frame:Asking.contact")
@plant("letter-goes-to-another-person", "services.notifications.recipes.frame:Asking.ask")
def _mix_up(original: Function) -> Function:
    """The address is that of the letter before."""
    before: list[Any] = []

    def wrong(self: Any, *arguments: Any, **named: Any) -> Any:
        found = original(self, *arguments, **named)
        if isinstance(found, dict):
            if "email" not in found:
                return found
            before.append(found["email"])
            return {**found, "email": before[max(0, len(before) - 2)]}
        if found is not None:
            before.append(found)
        return before[max(0, len(before) - 2)] if found is not None else None

    return wrong


@plant("receipt-tells-another-sum", "services.notifications.recipes.payments:_payment")
def _tell_another_sum(original: Function) -> Function:
    def wrong(asking: Any, letter: Any) -> Any:
        payment = original(asking, letter)
        return payment and {**payment, "total": payment["total"] + 1}

    return wrong
