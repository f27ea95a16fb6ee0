"""What a witness keeps of a book is read in the folder of that book, or is given with its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from services.chosen_book import chosen_book
from services.terminal import out
from services.verbs import of_books


def look(
    witness: Annotated[list[Path] | None, typer.Option()] = None,
    against: Annotated[list[Path] | None, typer.Option()] = None,
) -> None:
    """Print where the log of a book is compared."""
    places = [*(witness or ()), *(against or ())]
    out.print(chosen_book() or "-", *places, soft_wrap=True)


def called(*words: str | Path) -> Result:
    app = typer.Typer()
    app.command()(of_books(look, each=True))
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north,south")


@pytest.mark.usefixtures("books")
def test_folder_of_a_witness_has_one_for_each_further_book(tmp_path: Path) -> None:
    found = called("--witness", tmp_path)
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        f"ledger {tmp_path}",
        f"ledger_north {tmp_path / 'north'}",
        f"ledger_south {tmp_path / 'south'}",
    ]


@pytest.mark.usefixtures("books")
def test_folder_with_the_name_of_a_book_is_that_books_own(tmp_path: Path) -> None:
    assert called("--witness", tmp_path, "--book", "north").stdout == f"ledger_north {tmp_path}\n"
    assert called("--witness", tmp_path, "--book", "-").stdout == f"ledger {tmp_path}\n"


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("option", ["--witness", "--against"])
def test_option_that_is_of_one_log_is_refused_without_its_book(tmp_path: Path, option: str) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("a checkpoint", encoding="ascii")
    refused = called(option, letter)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"{option} is of one log" in " ".join(refused.stderr.split())
    assert called(option, letter, "--book", "north").stdout == f"ledger_north {letter}\n"


@pytest.mark.usefixtures("books")
def test_standard_input_is_of_one_log() -> None:
    assert called("--witness", "-").exit_code == 2
    assert called("--witness", "-", "--book", "north").stdout == "ledger_north -\n"


@pytest.mark.usefixtures("books")
def test_folder_that_is_missing_is_looked_for_by_the_verb(tmp_path: Path) -> None:
    """It says of which one; that it is of one log would be no reason."""
    missing = tmp_path / "missing"
    _, north, _ = called("--witness", missing).stdout.splitlines()
    assert north == f"ledger_north {missing / 'north'}"


def test_single_book_has_what_was_named(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("a checkpoint", encoding="ascii")
    assert called("--witness", letter).stdout == f"- {letter}\n"
