"""Bugs of the reactions."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH

_CAPTURED = "payment_captured"


def _is_captured(reactions: Any, delivery: Any) -> bool:
    here = reactions._store.service == "ledger"
    return bool(here and delivery.headers.get("cloudEvents_type") == _CAPTURED)


def _advance_to(reactions: Any, delivery: Any, position: int) -> None:
    """Write a position in a transaction of its own."""
    epoch = delivery.headers["saldo_epoch"]
    with reactions._store.session(reactions._cause("bug")) as session:
        session.cursor.execute(
            "UPDATE positions SET position = greatest(position, %s), epoch = %s"
            " WHERE upstream = %s",
            (position, epoch, reactions._upstream),
        )


@plant("reaction-writes-its-position-apart", "shared.bus.reactions:Reactions.apply")
def _position_apart(original: Function) -> Function:
    """Between the position and the effect, the process dies once."""

    def wrong(self: Any, deliveries: Any, *others: Any, **named: Any) -> Any:
        if any(_is_captured(self, one) for one in deliveries) and SWITCH.strikes("died"):
            _advance_to(self, deliveries[-1], deliveries[-1].headers["saldo_position"])
            raise ConnectionError("the process died here")
        return original(self, deliveries, *others, **named)

    return wrong


@plant("reaction-swallows-what-fails", "shared.bus.reactions:Reactions.apply")
def _swallow(original: Function) -> Function:
    """A handler fails, and the message counts as done."""

    def wrong(self: Any, deliveries: Any, *others: Any, **named: Any) -> Any:
        if any(_is_captured(self, one) for one in deliveries) and SWITCH.strikes("failed"):
            for one in deliveries:
                _advance_to(self, one, one.headers["saldo_position"])
            return []
        return original(self, deliveries, *others, **named)

    return wrong


@plant("gap-is-ignored", "shared.bus.reactions:Reactions.apply")
def _ignore_gap(original: Function) -> Function:
    """A message is lost on its way, and the next one is taken as if it were the next."""

    def wrong(self: Any, deliveries: Any, *others: Any, **named: Any) -> Any:
        if self._store.service != "ledger" or self._upstream != "payments":
            return original(self, deliveries, *others, **named)
        here = [
            one for one in deliveries if not (_is_captured(self, one) and SWITCH.strikes("lost"))
        ]
        for one in here:
            _advance_to(self, one, one.headers["saldo_predecessor"])
        return original(self, here, *others, **named) if here else []

    return wrong


@plant("park-advances-past-a-gap", "shared.bus.reactions:Reactions.apply")
def _park_past(original: Function) -> Function:
    """A damaged message names a position far ahead, and the reader is moved there."""

    def wrong(self: Any, deliveries: Any, *others: Any, **named: Any) -> Any:
        if any(_is_captured(self, one) for one in deliveries) and SWITCH.strikes("parked"):
            _advance_to(self, deliveries[-1], deliveries[-1].headers["saldo_position"] + 3)
        return original(self, deliveries, *others, **named)

    return wrong


@plant("reaction-without-duplicate-check", "shared.bus.reactions:Reactions.apply")
def _again(original: Function) -> Function:
    """Each message comes twice, and has its effect twice."""

    def wrong(self: Any, deliveries: Any, *others: Any, **named: Any) -> Any:
        handled = original(self, deliveries, *others, **named)
        if self._store.service != "notifications" or self._upstream != "helpdesk":
            return handled
        from shared.bus.messages import read_message

        with self._store.session(self._cause("again")) as session:
            for one in deliveries:
                self.handle(session, read_message(one.headers, one.body))
        return handled

    return wrong


@plant("reaction-without-duplicate-check", "services.notifications.queueing:Queue._letter_id")
def _new_letter(original: Function) -> Function:
    """The second guard is gone as well: a letter's id is drawn."""

    def wrong(self: Any, *purpose: str) -> Any:
        from uuid import uuid4

        return uuid4()

    return wrong


@plant("line-posted-is-forgotten", "services.payments.domain:PaymentOrder.post_line")
def _forget_line(original: Function) -> Function:
    def wrong(self: Any, account: str, position: int) -> None:
        """Record nothing: the payment waits for ever for its last line."""

    return wrong


@plant("fork-is-not-noticed", "shared.bus.epochs:LogHistory.fits")
def _fit_always(original: Function) -> Function:
    def wrong(self: Any, epoch: str, position: int) -> bool:
        """Let every reader go on, whatever it has read before."""
        return True

    return wrong


@plant("ghost-is-applied", "shared.bus.reading:_check_in_log")
def _believe_all(original: Function) -> Function:
    def wrong(*arguments: Any) -> None:
        """Believe a message although the upstream's log does not have it."""

    return wrong
