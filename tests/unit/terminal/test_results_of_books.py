"""A verb that runs for each book prints one JSON document, in which each result names its book."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from services.chosen_book import chosen_book
from services.terminal import Json, out, print_json, refused
from services.verbs import of_books

CODES = {"ledger": 0, "ledger_north": 1, "ledger_south": 2}


def look(json: Json = False) -> None:
    """Find nothing in the first book, something in another, and be refused by the last."""
    log = chosen_book() or "ledger"
    if CODES[log] == 2:
        raise refused("the database does not answer")
    print_json({"log": log}) if json else out.print(log)
    raise typer.Exit(CODES[log])


def called(*words: str) -> Result:
    app = typer.Typer()
    app.command()(of_books(look, each=True))
    return CliRunner().invoke(app, words)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north,south")


@pytest.mark.usefixtures("books")
def test_results_of_all_books_are_one_document() -> None:
    found = called("--json")
    assert found.exit_code == 2  # the worst
    written: list[dict[str, Any]] = json.loads(found.stdout)
    assert written == [
        {"book": "-", "exit_code": 0, "result": {"log": "ledger"}},
        {"book": "north", "exit_code": 1, "result": {"log": "ledger_north"}},
        {"book": "south", "exit_code": 2, "result": None},
    ]
    assert found.stdout.count("\n") == 1


@pytest.mark.usefixtures("books")
def test_the_result_of_a_named_book_is_printed_as_it_is() -> None:
    assert called("--json", "--book", "north").stdout == '{"log":"ledger_north"}\n'
    assert called("--json", "--book", "-").stdout == '{"log":"ledger"}\n'


@pytest.mark.usefixtures("books")
def test_texts_of_books_follow_each_other() -> None:
    found = called()
    assert (found.stdout, found.exit_code) == ("ledger\nledger_north\n", 2)


def test_a_single_book_prints_its_result_as_ever() -> None:
    assert called("--json").stdout == '{"log":"ledger"}\n'
