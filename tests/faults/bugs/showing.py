"""Bugs of what persons are shown."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant

_ASK = "gateway.operations:Call.ask"


def _from_cache(original: Function, rpc: tuple[str, str]) -> Function:
    """Show what was shown the first time."""
    kept: dict[tuple[Any, Any], Any] = {}

    def wrong(self: Any, service: str, method: str, **arguments: Any) -> Any:
        if (service, method) != rpc:
            return original(self, service, method, **arguments)
        key = arguments.get("payment_id") or arguments["number"], arguments.get("person_id")
        if key not in kept:
            kept[key] = original(self, service, method, **arguments)
        return kept[key]

    return wrong


@plant("balance-is-shown-from-a-cache", _ASK)
def _cache_balance(original: Function) -> Function:
    return _from_cache(original, ("ledger", "balance"))


@plant("payment-is-shown-from-a-cache", _ASK)
def _cache_payment(original: Function) -> Function:
    return _from_cache(original, ("payments", "payment"))


@plant("answer-is-not-shown", _ASK)
def _hide_answer(original: Function) -> Function:
    def wrong(self: Any, service: str, method: str, **arguments: Any) -> Any:
        found = original(self, service, method, **arguments)
        if (service, method) != ("helpdesk", "question"):
            return found
        own = [one for one in found["messages"] if one["author"] == "person"]
        return {**found, "messages": own}

    return wrong


@plant("payment-is-missing-in-the-history", _ASK)
def _hide_payment(original: Function) -> Function:
    def wrong(self: Any, service: str, method: str, **arguments: Any) -> Any:
        found = original(self, service, method, **arguments)
        if (service, method) != ("payments", "history"):
            return found
        return {**found, "payments": found["payments"][1:]}

    return wrong


@plant("anybodys-account-is-shown", "gateway.ownership:_access_to")
def _let_in(original: Function) -> Function:
    def wrong(call: Any, number: str) -> dict[str, Any]:
        from gateway.problems import Refusal

        try:
            return dict(original(call, number))
        except Refusal:
            return {"account": number, "role": "owner", "state": "open"}

    return wrong


@plant("anybodys-payment-is-shown", "services.payments.views:_own_row")
def _show_any(original: Function) -> Function:
    def wrong(session: Any, query: Any) -> Any:
        row = session.read.shown(query.payment_id)
        return original(session, query) if row is None else row

    return wrong
