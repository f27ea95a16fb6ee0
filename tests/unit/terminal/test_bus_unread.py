"""``saldo bus lag`` and ``saldo bus parked`` where some services, or all, cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services import bus_cli
from services.bus_commands import reachable
from services.bus_commands.reachable import sentences
from shared.config import SERVICES, ConfigurationError

READABLE = ("ledger", "payments")
PARKED = {
    "id": 7, "upstream": "accounts", "position": 3, "type": "account_linked",
    "reason": "KeyError", "attempts": 1, "error_id": "e",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_has_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def auditor(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[dict[str, Any]]], None]:
    """Let two services be read; return how to set what is parked in each."""

    class Store:
        def __init__(self, rows: list[dict[str, Any]]) -> None:
            self._rows = rows

        def query(self, _: Any) -> tuple[int, list[dict[str, Any]], int]:
            return len(self._rows), self._rows, 0

    def park(rows: list[dict[str, Any]]) -> None:
        @contextmanager
        def opened(service: str) -> Iterator[Store]:
            if service not in READABLE:
                raise ConfigurationError(f"staff.petrov may not read the database of {service}")
            yield Store(rows)

        monkeypatch.setattr(reachable, "opened_store", opened)

    return park


def bus(*words: str) -> Result:
    return CliRunner().invoke(bus_cli.app, list(words))


@pytest.mark.parametrize("verb", ["lag", "parked"])
def test_without_a_login_one_sentence_says_what_to_do(verb: str) -> None:
    result = bus(verb)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("nobody has signed in to the database") == 1
    assert result.stderr.count("saldo staff add") == 1
    assert all(name in result.stderr for name in SERVICES)


def test_services_that_may_not_be_read_are_named_and_the_rest_is_listed(
    auditor: Callable[[list[dict[str, Any]]], None],
) -> None:
    auditor([PARKED])
    result = bus("parked")
    assert result.exit_code == 2
    assert all(f" {name} " in result.stdout for name in READABLE)
    for name in set(SERVICES) - set(READABLE):
        assert f"{name}: staff.petrov may not read the database of {name}" in result.stderr


def test_nothing_is_parked_only_where_it_was_read(
    auditor: Callable[[list[dict[str, Any]]], None],
) -> None:
    auditor([])
    result = bus("parked")
    assert (result.exit_code, result.stdout) == (2, "Nothing is parked in ledger, payments.\n")
    assert bus("parked", "ledger").stdout == "Nothing is parked.\n"
    assert bus("parked", "ledger").exit_code == 0


def test_services_with_the_same_reason_share_a_sentence() -> None:
    assert sentences({"ledger": "down", "accounts": "no right", "payments": "down"}) == [
        "ledger, payments: down",
        "accounts: no right",
    ]
