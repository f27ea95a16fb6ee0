"""What the gateway asks of the services is what they offer: names and arguments of every RPC."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from shared.rpc.server import ServiceBase

from gateway.messages.notices import NOTICES
from services.payments.domain import State

GATEWAY = Path(__file__).parents[2] / "gateway"
OF_THE_CALLER = {"deadline"}


def _calls() -> Iterator[tuple[str, str, frozenset[str]]]:
    for path in sorted(GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr not in {"ask", "command", "call"} or len(node.args) < 2:
                continue
            service, method = node.args[:2]
            if isinstance(service, ast.Constant) and isinstance(method, ast.Constant):
                given = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                yield str(service.value), str(method.value), given - OF_THE_CALLER


CALLS = sorted(set(_calls()))


def _request(service: str, method: str) -> Schema:
    module = import_module(f"services.{service}.service")
    found: Any = next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and getattr(value, "name", None) == service
    )
    (entrypoint,) = getattr(found, method).nameko_entrypoints
    schema: Schema = entrypoint._schema
    return schema


@pytest.mark.parametrize(("service", "method", "given"), CALLS)
def test_the_service_offers_what_the_gateway_asks(
    service: str, method: str, given: frozenset[str]
) -> None:
    fields = _request(service, method).fields
    assert given <= set(fields)
    assert {name for name, field in fields.items() if field.required} <= given


def test_the_scan_finds_the_calls() -> None:
    assert len(CALLS) > 25
    assert {service for service, _, _ in CALLS} >= {"identity", "accounts", "ledger", "payments"}
    assert hasattr(ServiceBase, "health")


def test_every_state_of_a_payment_has_a_notice() -> None:
    shown = {f"payment_{state.value}" for state in State if state is not State.NONE}
    assert shown == {code for code in NOTICES if code.startswith("payment_")}
