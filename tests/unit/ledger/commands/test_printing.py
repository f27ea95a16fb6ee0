"""Tables on a terminal: at any width every figure is there, whole."""

from __future__ import annotations

from io import StringIO

import pytest
import typer
from rich.console import Console

from services.cli import app
from services.ledger.commands import printing
from services.ledger.reports.overdue import BANDS

KEYS = ("0100000037", "0100000038")


def told(monkeypatch: pytest.MonkeyPatch, width: int, reason: str = "r") -> list[str]:
    """A table as wide as that of overdue accounts, on a terminal of some columns."""
    written = StringIO()
    monkeypatch.setattr(printing, "out", Console(file=written, width=width, markup=False))
    table = printing.new_table("Overdue", "Account", "Payer", "Why", amounts=(*BANDS, "Total"))
    for number, key in enumerate(KEYS):
        amounts = [f"{number}{place} 508 411,92" for place in range(len(BANDS) + 1)]
        table.add_row(key, "managing_company", reason, *amounts, style="bold")
    printing.show(table)
    return written.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_that_is_too_wide_goes_on_below_with_its_key(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = told(monkeypatch, width)
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    for number, key in enumerate(KEYS):
        rows = "".join(line for line in lines if key in line)
        assert "managing_company" in rows
        for place in range(len(BANDS) + 1):
            assert f"{number}{place} 508 411,92" in rows


def test_a_table_that_fits_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [line for line in told(monkeypatch, 200) if KEYS[0] in line]
    assert len(rows) == 1


def test_a_long_reason_folds_and_makes_no_table_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(monkeypatch, 200, reason="the heating was off " * 8)
    assert len([line for line in lines if KEYS[0] in line]) == 1
    assert all(len(line) <= 200 for line in lines)
    assert "".join(lines).count("heating") == 8 * len(KEYS)


def test_no_words_of_help_are_taken_for_markup() -> None:
    """Typer prints help as markup of rich, which leaves out what stands in brackets."""
    commands = [typer.main.get_command(app)]
    seen = 0
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        for parameter in command.params:
            text = getattr(parameter, "help", None) or ""
            seen += bool(text)
            assert "[" not in text, f"{command.name}: {text}"
    assert seen > 50
