"""What a service makes of a message with one call, and of one with many."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from marshmallow import Schema, fields

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from nameko.containers import ServiceContainer

    from shared.rpc.server import Method, rpc

from shared import context
from shared.config import GATEWAY
from shared.errors import Forbidden, NotFound, ServiceError, ValidationFailed
from shared.rpc.serving import MOST_TOGETHER, Serving, read_each
from shared.rpc.wire import decoded, encoded


class Number(Schema):
    number = fields.Integer(required=True)


class Ledger:
    """Doubles numbers."""

    name = "ledger"
    asked: list[list[int]]
    actors: list[str]

    def __init__(self) -> None:
        self.asked, self.actors = [], []

    @rpc(Number, callers=(GATEWAY,), together="double_many")
    def double(self, number: int) -> int:
        self.actors.append(context.current().actor)
        if number == 13:
            raise KeyError("a secret")
        return _doubled(number)

    def double_many(self, calls: list[dict[str, Any]]) -> list[Any]:
        numbers = [call["number"] for call in calls]
        self.asked.append(numbers)
        if 13 in numbers:
            raise KeyError("a secret")
        if 99 in numbers:
            raise psycopg.OperationalError("a row")
        return [_outcome(number) for number in numbers]

    @rpc(Number, callers=(GATEWAY,))
    def triple(self, number: int) -> int:
        self.actors.append(context.current().actor)
        return 3 * number


def _doubled(number: int) -> int:
    if not number:
        raise NotFound("account_not_found", "None.")
    return 2 * number


def _outcome(number: int) -> int | ServiceError:
    try:
        return _doubled(number)
    except ServiceError as error:
        return error


@pytest.fixture
def serving() -> Serving:
    return Serving(CONTAINER)


CONTAINER = ServiceContainer(Ledger, {"AMQP_URI": "amqp://ledger:x@127.0.0.1:1/"})


def _method(name: str) -> Method:
    method: Method = next(one for one in CONTAINER.entrypoints if one.method_name == name)
    method.open_counters()
    return method


def _sent(
    serving: Serving, name: str, body: Any, user: str = GATEWAY, **headers: str
) -> dict[str, Any]:
    message = SimpleNamespace(properties={"user_id": user}, headers=headers)
    return serving.reply_to(_method(name), body, message)


def _together(*numbers: Any, actor: str = "person:7") -> dict[str, Any]:
    calls = [{"kwargs": {"number": number}, "context": {"actor": actor}} for number in numbers]
    return {"args": [], "kwargs": {}, "calls": calls}


def _service(serving: Serving) -> Ledger:
    found: Ledger = serving._service
    return found


def test_calls_of_a_message_are_answered_together_each_with_its_outcome(serving: Serving) -> None:
    reply = _sent(serving, "double", _together(1, 0, "x", 3))
    assert reply["error"] is None
    results = [one["result"] for one in reply["result"]]
    codes = [one["error"] and one["error"]["code"] for one in reply["result"]]
    assert results == [2, None, None, 6]
    assert codes == [None, "account_not_found", "invalid_request", None]
    assert _service(serving).asked == [[1, 0, 3]]


def test_method_that_answers_one_at_a_time_has_the_context_of_each(serving: Serving) -> None:
    body = _together(1, 2)
    body["calls"][1]["context"]["actor"] = "person:8"
    reply = _sent(serving, "triple", body)
    assert [one["result"] for one in reply["result"]] == [3, 6]
    assert _service(serving).actors == ["person:7", "person:8"]


def test_defect_in_one_of_many_calls_is_not_told_to_the_others(serving: Serving) -> None:
    reply = _sent(serving, "double", _together(1, 13, 2))
    assert [one["result"] for one in reply["result"]] == [2, None, 4]
    assert reply["result"][1]["error"]["code"] == "internal_error"
    assert "secret" not in str(reply)


def test_database_that_fails_is_unavailable_to_each(serving: Serving) -> None:
    reply = _sent(serving, "double", _together(1, 99))
    assert {one["error"]["code"] for one in reply["result"]} == {"database_unavailable"}
    assert _service(serving).actors == []


@pytest.mark.parametrize("calls", [[], "x", 7, [{}] * (MOST_TOGETHER + 1)])
def test_body_without_a_list_of_calls_is_refused(serving: Serving, calls: Any) -> None:
    with pytest.raises(ValidationFailed) as refused:
        _sent(serving, "double", {"args": [], "kwargs": {}, "calls": calls})
    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize("call", [1, {}, {"context": 1}, {"kwargs": 1}, {"kwargs": {"n": 1}}])
def test_malformed_call_is_refused_without_the_others(serving: Serving, call: Any) -> None:
    body: Any = {"args": [], "kwargs": {}, "calls": [{"kwargs": {"number": 1}}, call]}
    found, refused = _sent(serving, "double", body)["result"]
    assert found["result"] == 2
    assert refused["error"]["code"] == "invalid_request"


def test_caller_is_checked_once_for_all_calls_of_a_message(serving: Serving) -> None:
    with pytest.raises(Forbidden) as refused:
        _sent(serving, "double", _together(1, 2), user="payments")
    assert refused.value.code == "caller_not_served"
    assert _service(serving).asked == []


def test_actor_of_each_call_is_believed_as_that_of_a_message(serving: Serving) -> None:
    _sent(serving, "triple", _together(1, 2, actor="staff:petrova"))
    _sent(serving, "triple", {"args": [], "kwargs": {"number": 1}}, **{"nameko.actor": "person:7"})
    assert _service(serving).actors == ["anonymous", "anonymous", "person:7"]


def test_each_read_has_its_own_refusal() -> None:
    store: Any = SimpleNamespace(query=lambda handler: handler(None))
    found = read_each(store, lambda _, number: _doubled(number), [{"number": 1}, {"number": 0}])
    assert found[0] == 2
    assert isinstance(found[1], NotFound)


def test_json_of_a_reply_is_what_kombu_writes() -> None:
    for value in (
        {"name": "Лицевой счёт", "sum": 2**60, "no": None},
        [datetime(2026, 11, 29, tzinfo=UTC), uuid4(), Decimal("1.50"), b"\xff"],
        "\ud800",
    ):
        assert decoded(encoded(value)) == value
    with pytest.raises(TypeError):
        encoded(object())
    with pytest.raises(ValueError, match="property name"):
        decoded(b"{broken")
