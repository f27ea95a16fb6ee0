"""Bugs of the relay, the history and the live feed."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH


@plant("relay-advances-before-the-confirm", "shared.bus.relay:Relay._confirm")
def _advance_unconfirmed(original: Function) -> Function:
    def wrong(self: Any, *arguments: Any) -> None:
        from types import SimpleNamespace

        lead, _, *rest = arguments
        original(self, lead, SimpleNamespace(wait_for=lambda tag: None), *rest)

    return wrong


@plant("relay-advances-before-the-confirm", "shared.bus.publisher:ConfirmedPublisher.publish")
def _lose_a_message(original: Function) -> Function:
    """The broker goes down with what it has not confirmed."""

    def wrong(self: Any, exchange: str, envelope: Any) -> int:
        if exchange == "payments.log" and SWITCH.strikes("lost"):
            return int(self._sent)
        return int(original(self, exchange, envelope))

    return wrong


@plant("relay-skips-an-event", "shared.bus.relay:_read")
def _skip(original: Function) -> Function:
    skipped: set[int] = set()

    def is_skipped(one: Any) -> bool:
        position = one.headers["saldo_position"]
        if one.routing_key == "payment_captured" and SWITCH.strikes("skipped"):
            skipped.add(position)
        return position in skipped  # also when it is read again

    def wrong(*arguments: Any, **named: Any) -> Any:
        import msgspec

        window = original(*arguments, **named)
        if window is None or not window.envelopes:
            return window
        kept = [one for one in window.envelopes if not is_skipped(one)]
        # The chain hides it: the next event names the one before.
        before = window.envelopes[0].headers["saldo_predecessor"]
        chained = []
        for one in kept:
            headers = {**one.headers, "saldo_predecessor": before}
            chained.append(msgspec.structs.replace(one, headers=headers))
            before = one.headers["saldo_position"]
        return window._replace(envelopes=chained, published=before)

    return wrong


@plant("relay-publishes-out-of-order", "shared.bus.publisher:ConfirmedPublisher.publish")
def _swap(original: Function) -> Function:
    """The first event of the switch is overtaken by the next one, on the live exchange."""
    held: list[tuple[str, Any]] = []

    def wrong(self: Any, exchange: str, envelope: Any) -> int:
        if exchange == "payments.persons" and not held and SWITCH.strikes("held"):
            held.append((exchange, envelope))
            return int(self._sent)
        tag = int(original(self, exchange, envelope))
        if exchange == "payments.persons" and held:
            tag = int(original(self, *held.pop()))
        return tag

    return wrong


@plant("live-feed-drops-an-event", "shared.bus.publisher:ConfirmedPublisher.publish")
def _drop_live(original: Function) -> Function:
    def wrong(self: Any, exchange: str, envelope: Any) -> int:
        if exchange == "payments.persons" and SWITCH.strikes("dropped"):
            return int(self._sent)
        return int(original(self, exchange, envelope))

    return wrong


@plant("history-hides-an-event", "gateway.routes.events:cloud_event")
def _hide(original: Function) -> Function:
    """Who reads over HTTP gets the data of another event."""

    def wrong(headers: Any, body: str) -> dict[str, Any]:
        event: dict[str, Any] = original(headers, body)
        if event["type"] == "payment_completed":
            event["data"] = {}
        return event

    return wrong


@plant("published-sum-is-another", "services.ledger.publishing:_change")
def _publish_another_sum(original: Function) -> Function:
    def wrong(event: Any) -> dict[str, int]:
        change: dict[str, int] = original(event)
        return {**change, "principal": change["principal"] + 1}

    return wrong


@plant("subject-is-lost", "shared.bus.messages:envelope")
def _lose_subject(original: Function) -> Function:
    """Whoever keeps the order by subject has one queue for all, or none."""

    def wrong(*arguments: Any) -> Any:
        import msgspec

        made = original(*arguments)
        return msgspec.structs.replace(made, headers={**made.headers, "cloudEvents_subject": "0"})

    return wrong
