"""Each RPC method serves those that call it in the code, and nobody else."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from shared.rpc.every_service import hosted
    from shared.rpc.server import Method, Nothing, rpc

from shared.bus.permissions import CALLED, STAFFED, UPSTREAMS
from shared.bus.principals import Principal, principal_of
from shared.config import GATEWAY, SERVICES
from shared.errors import Forbidden
from shared.rpc.callers import Callers, believed, callers_of, staff

ROOT = Path(__file__).parents[2]
BY_WHOM_IT_CALLS = ("ledger", "books")
"""What whoever calls the ledger asks first where it has several books (`shared.rpc.books`)."""
OF_EVERY_SERVICE = {"health", "events_after", "events_position", "log_history"}


def _methods() -> Iterator[tuple[str, str, Callers]]:
    for service in SERVICES:
        found: type[Any] = next(
            value
            for value in vars(import_module(f"services.{service}.service")).values()
            if isinstance(value, type) and getattr(value, "name", None) == service
        )
        whole = hosted(found)
        for name in dir(whole):
            for entrypoint in getattr(getattr(whole, name), "nameko_entrypoints", ()):
                assert isinstance(entrypoint, Method), f"{service}.{name} is served by another way"
                yield service, name, entrypoint.callers


def _calls() -> Iterator[tuple[str, str, str]]:
    """Find (caller, service, method) of each call in the code of services and gateway."""
    folders = {name: ROOT / "services" / name for name in SERVICES} | {GATEWAY: ROOT / "gateway"}
    for caller, folder in folders.items():
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and len(node.args) >= 2):
                    continue
                if isinstance(node.func, ast.Attribute) and node.func.attr == "keys_of":
                    continue  # it names an owner and a purpose
                service, method = node.args[:2]
                if not (isinstance(service, ast.Constant) and isinstance(method, ast.Constant)):
                    continue
                if service.value in SERVICES and str(method.value).isidentifier():
                    yield caller, str(service.value), str(method.value)


METHODS = {(service, method): callers for service, method, callers in _methods()}
CALLS = set(_calls())


def test_every_method_names_its_callers() -> None:
    assert len(METHODS) > 50
    for callers in METHODS.values():
        assert callers.users | callers.permissions
    with pytest.raises(TypeError, match="callers"):
        rpc(Nothing)  # type: ignore[call-arg]


@pytest.mark.parametrize("names", [(), ("somebody",), ("gateway", "subscriber.datamart"), ("*",)])
def test_callers_are_services_the_gateway_and_staff(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="callers are"):
        callers_of(names)


def test_every_call_in_the_code_is_served() -> None:
    assert len(CALLS) > 30
    for caller, service, method in CALLS:
        assert caller in METHODS[service, method].users, f"{caller} calls {service}.{method}"


def test_nobody_is_served_who_does_not_call() -> None:
    for (service, method), callers in METHODS.items():
        if method not in OF_EVERY_SERVICE:
            users = {
                caller
                for caller, *called in CALLS
                if called == [service, method]
                or ((service, method) == BY_WHOM_IT_CALLS and called[0] == service)
            }
            assert callers.users <= users, f"{service}.{method} serves more than who calls it"


def test_the_broker_lets_each_service_call_whom_it_calls_and_nobody_else() -> None:
    """Beside its upstreams, whose log it asks for what it has missed."""
    called = {
        consumer: {service for caller, service, _ in CALLS if caller == consumer}
        for consumer in SERVICES
    }
    for consumer, services in called.items():
        upstreams, others = set(UPSTREAMS.get(consumer, ())), set(CALLED.get(consumer, ()))
        assert services <= upstreams | others, consumer
        assert others <= services, consumer


def test_the_broker_lets_staff_call_where_there_is_something_for_them() -> None:
    assert {
        service for (service, _), callers in METHODS.items() if callers.permissions - {"*"}
    } <= {*STAFFED}


@pytest.mark.parametrize("user", [None, "", "saldo", "guest", "subscriber.datamart", "staff.X"])
def test_strangers_and_subscribers_are_served_by_no_method(user: str | None) -> None:
    for callers in METHODS.values():
        with pytest.raises(Forbidden) as refused:
            callers.check(principal_of(user))
        assert refused.value.code == "caller_not_served"


def test_staff_reach_only_methods_that_name_a_permission() -> None:
    clerk = Principal("staff", "clerk")
    callers_of((staff("adjust"),)).check(clerk)
    with pytest.raises(Forbidden):
        callers_of((GATEWAY, "ledger")).check(clerk)


def test_secrets_are_issued_to_notifications_alone() -> None:
    for method in ("issue_registration_code", "issue_temporary_password", "issue_reset_link"):
        assert METHODS["identity", method] == callers_of(("notifications",))


@pytest.mark.parametrize(
    ("caller", "said", "actor"),
    [
        (Principal("gateway", GATEWAY), "person:7", "person:7"),
        (Principal("gateway", GATEWAY), "staff:ivanova", "anonymous"),
        (Principal("gateway", GATEWAY), "service:ledger", "anonymous"),
        (Principal("gateway", GATEWAY), "", "anonymous"),
        (Principal("service", "ledger"), "person:7", "person:7"),
        (Principal("staff", "ivanova"), "staff:petrova", "staff:ivanova"),
        (Principal("staff", "ivanova"), "person:7", "staff:ivanova"),
    ],
)
def test_actor_header_is_believed_from_the_gateway_and_services_alone(
    caller: Principal, said: str, actor: str
) -> None:
    bound = believed(caller, {"actor": said, "caller": "ledger"})
    assert (bound["actor"], bound["caller"]) == (actor, caller.user)


@pytest.mark.parametrize(
    ("caller", "asked_at"),
    [
        (Principal("gateway", GATEWAY), 1_764_517_000.5),
        (Principal("service", "accounts"), 1_764_517_000.5),
        (Principal("staff", "ivanova"), None),
    ],
)
def test_when_a_request_came_is_believed_from_the_gateway_and_services_alone(
    caller: Principal, asked_at: float | None
) -> None:
    assert believed(caller, {"asked_at": "1764517000.500000"})["asked_at"] == asked_at
