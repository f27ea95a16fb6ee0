"""What staff verbs ask of services: in whose name, with which words, and when nobody answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from rpc_verbs import BY_RPC, READING
from typer.testing import CliRunner, Result

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from shared.rpc.server import Method

from services import staff_calls, terminal
from services.cli import app
from shared.errors import Unavailable, ValidationFailed

URL = "amqp://staff.ivanova:secret@127.0.0.1:1/"
VERBS = {**BY_RPC, **READING}
Run = Callable[..., Result]


class RecordingClient:
    """Stands in for RpcClient: loads what is asked as the service does, and answers nothing."""

    def __init__(self, amqp_url: str) -> None:
        self.amqp_url = amqp_url
        ASKED.append(self)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def call(self, service: str, method: str, *, deadline: float, **arguments: Any) -> Any:
        self.calls.append((service, method, _loaded(service, method, arguments)))
        raise Unavailable("service_unavailable", "No reply.", service=service)

    def close(self) -> None:
        """Have nothing to close."""


ASKED: list[RecordingClient] = []


def _loaded(service: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    module = import_module(f"services.{service}.service")
    (entrypoint,) = getattr(
        getattr(module, f"{service.capitalize()}Service"), method
    ).nameko_entrypoints
    assert isinstance(entrypoint, Method)
    plain = {name: value if value is None else _json(value) for name, value in arguments.items()}
    return entrypoint.load(plain)


def _json(value: Any) -> Any:
    return value if isinstance(value, str | int | list | dict) else str(value)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    ASKED.clear()
    for name in ("SALDO_DATABASE_URL", "SALDO_STAFF_DATABASE_URL", "SALDO_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(staff_calls, "new_client", RecordingClient)
    monkeypatch.setattr(staff_calls, "check_access", lambda url: None)

    def no_store(*_: Any, **__: Any) -> Any:
        raise AssertionError("a verb of a service must open no database")

    monkeypatch.setattr(terminal, "open_store", no_store)

    def run(*words: str, url: str = URL) -> Result:
        return CliRunner().invoke(app, list(words), env={"SALDO_AMQP_URL": url})

    return run


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_asks_its_service_and_needs_nothing_but_the_url(run: Run, verb: str) -> None:
    result = run(*verb.split(), *VERBS[verb])
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    [client] = ASKED
    assert client.amqp_url == URL
    assert client.calls[0][0] == verb.split(maxsplit=1)[0]
    assert "did not answer" in result.stderr
    again = "Whether it was done is unknown: run the same command again, it is done once."
    assert (again in " ".join(result.stderr.split())) == (verb in BY_RPC)


@pytest.mark.parametrize("verb", BY_RPC)
@pytest.mark.parametrize("named", ["petrov", "staff:Ivanova", " ", "a b"])
def test_whoever_an_option_names_has_no_part_in_it(run: Run, verb: str, named: str) -> None:
    result = run(*verb.split(), *BY_RPC[verb], "--actor", named)
    assert "--actor is not read: you act as staff:ivanova" in result.stderr
    [client] = ASKED
    [(_, _, asked)] = client.calls
    assert named not in asked.values()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "url",
    ["", "amqp://saldo:x@127.0.0.1:1/", "amqp://gateway:x@127.0.0.1:1/", "amqp://staff.:x@h/"],
)
def test_a_terminal_of_none_of_the_staff_asks_nothing(run: Run, verb: str, url: str) -> None:
    result = run(*verb.split(), *VERBS[verb], url=url)
    assert result.exit_code == 2
    assert "saldo staff add" in " ".join(result.stderr.split())
    assert ASKED == []


def test_a_refused_argument_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        fields = {"lines": {"0": {"amount": ["Not a valid integer."]}}, "account": ["Wrong."]}
        raise ValidationFailed("invalid_request", "See fields.", fields=fields)

    monkeypatch.setattr(RecordingClient, "call", refuse)
    result = run("ledger", "adjust", *BY_RPC["ledger adjust"])
    assert result.stderr == "lines: Not a valid integer.; account: Wrong.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("ledger", "approve", *BY_RPC["ledger approve"]),
        ("bus", "replay", "ledger", "--to-queue", "subscriber.erp.ledger"),
    ],
)
def test_an_unreachable_broker_is_reported_in_one_sentence(words: tuple[str, ...]) -> None:
    signed_in = {
        "SALDO_AMQP_URL": URL,
        "SALDO_DATABASE_URL": "postgresql://staff.ivanova:secret@127.0.0.1:1/nothing",
    }
    result = CliRunner().invoke(app, list(words), env=signed_in)
    assert result.exit_code == 2
    assert result.stderr == "The message bus does not respond; nothing was done. Try again.\n"
