"""``saldo ledger books`` has a row for each book, though the database of one is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.ledger.commands import books
from services.ledger.commands.books import BookFigures
from shared.errors import Unavailable

AWAY: dict[str, Exception] = {
    "ledger_north": psycopg.OperationalError("connection refused\nIs the server running?"),
    "ledger_south": Unavailable("database_unavailable", "The database is not available."),
}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """Return what befalls whoever opens a book."""
    errors: dict[str, Exception] = {}

    @contextmanager
    def opened(log: str, **_: Any) -> Iterator[str]:
        if log in errors:
            raise errors[log]
        yield log

    def figures(log: Any) -> BookFigures:
        return BookFigures(book=log, log=log, accounts=5, events=7, prefixes=["77"])

    monkeypatch.setattr(books, "opened_store", opened)
    monkeypatch.setattr(books, "_figures", figures)
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north,south")
    return errors


def test_book_that_is_away_has_its_row_and_the_exit_code_says_so(away: dict[str, Any]) -> None:
    away.update(AWAY)
    found = CliRunner().invoke(app, ["ledger", "books", "--lang", "en"])
    assert found.exit_code == 1
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in found.stdout.splitlines()]
    assert ["ledger", "77…", "", "5", "7"] in rows
    assert ["north", "unavailable", "", "", ""] in rows
    assert ["south", "unavailable", "", "", ""] in rows
    assert "ledger_north: The database refused or did not answer: connection refused\n" in (
        found.stderr
    )
    assert "ledger_south: The database is not available." in found.stderr
    said = CliRunner().invoke(app, ["ledger", "books", "--lang", "ru"]).stdout
    assert said.count("недоступна") == 2


def test_json_says_of_each_book_whether_it_is_away(away: dict[str, Any]) -> None:
    away["ledger_north"] = AWAY["ledger_north"]
    found = CliRunner().invoke(app, ["ledger", "books", "--json", "--lang", "en"])
    assert found.exit_code == 1
    first, north, south = json.loads(found.stdout)
    assert (first["refusal"], first["accounts"]) == ("", 5)
    assert (north["book"], north["accounts"], north["events"]) == ("north", None, None)
    assert north["refusal"].endswith("connection refused")
    assert south["refusal"] == ""


@pytest.mark.usefixtures("away")
def test_nothing_is_amiss_where_every_book_answers() -> None:
    found = CliRunner().invoke(app, ["ledger", "books", "--lang", "en"])
    assert (found.exit_code, found.stderr) == (0, "")


def test_outage_that_the_store_has_noticed_is_told_in_the_language_of_the_output(
    away: dict[str, Any],
) -> None:
    away["ledger_north"] = Unavailable("database_unavailable", "The outcome is unknown.")
    away["ledger_north"].__cause__ = psycopg.OperationalError("connection refused")
    told = CliRunner().invoke(app, ["ledger", "books", "--lang", "ru"]).stderr
    assert told.startswith("ledger_north: База данных")
    assert "connection refused" in told
