"""A verb that is a call works on the book that is named, or on those that it concerns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services import staff_calls
from services.cli import app
from shared.rpc import client as module

URL = "amqp://staff.ivanova:secret@127.0.0.1:1/"
CLOSE = ("ledger", "close", "2026-10", "--reason", "all is in")


class Services:
    """Stands in for RpcClient: the month is open in each book."""

    def __init__(self, url: str, name: str) -> None:
        self.asked: list[str] = []
        MADE.append(self)

    def call(self, service: str, method: str, **_: Any) -> Any:
        self.asked.append(service)
        return {"rules": []} if method == "books" else {"period": "2026-10", "closed": True}

    def close(self) -> None:
        """Have nothing to close."""


MADE: list[Services] = []


@pytest.mark.parametrize(
    ("book", "asked"),
    [
        ((), ["ledger", "ledger_north"]),
        (("--book", "-"), ["ledger"]),
        (("--book", "north"), ["ledger_north"]),
    ],
)
def test_a_month_is_closed_in_the_book_that_is_named(
    monkeypatch: pytest.MonkeyPatch, book: tuple[str, ...], asked: list[str]
) -> None:
    MADE.clear()
    monkeypatch.setattr(module, "RpcClient", Services)
    monkeypatch.setattr(staff_calls, "check_access", lambda url: None)
    monkeypatch.setenv("SALDO_AMQP_URL", URL)
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north")
    CliRunner().invoke(app, [*CLOSE, *book])
    assert [one.asked for one in MADE] == [asked]


@pytest.mark.parametrize("verb", ["audit", "verify"])
def test_what_is_kept_of_one_log_is_not_held_against_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str
) -> None:
    note = tmp_path / "note"
    note.touch()
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north")
    refused = CliRunner().invoke(app, ["ledger", verb, "--against", str(note)])
    assert refused.exit_code == 2
    assert "name its book by --book" in " ".join(refused.output.replace("│", "").split())
