"""Tables on a terminal: at any width every figure is printed whole."""

from __future__ import annotations

from io import StringIO

import pytest

from services import terminal
from services.ledger.reports.overdue import BANDS
from services.visible_output import TextConsole

KEYS = ("0100000037", "0100000038")


def printed(monkeypatch: pytest.MonkeyPatch, width: int, reason: str = "r") -> list[str]:
    """Return the lines of a table as wide as that of overdue accounts."""
    written = StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=written, width=width))
    table = terminal.new_table("Overdue", "Account", "Payer", "Why", amounts=(*BANDS, "Total"))
    for number, key in enumerate(KEYS):
        amounts = [f"{number}{place} 508 411,92" for place in range(len(BANDS) + 1)]
        table.add_row(key, "managing_company", reason, *amounts, style="bold")
    terminal.show(table)
    return written.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_that_is_too_wide_continues_below_with_its_key(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = printed(monkeypatch, width)
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    for number, key in enumerate(KEYS):
        rows = "".join(line for line in lines if key in line)
        assert "managing_company" in rows
        for place in range(len(BANDS) + 1):
            assert f"{number}{place} 508 411,92" in rows


def test_a_table_that_fits_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [line for line in printed(monkeypatch, 200) if KEYS[0] in line]
    assert len(rows) == 1


def test_a_long_reason_folds_within_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 200, reason="the heating was off " * 8)
    assert len([line for line in lines if KEYS[0] in line]) == 1
    assert all(len(line) <= 200 for line in lines)
    assert "".join(lines).count("heating") == 8 * len(KEYS)


def test_a_divided_table_repeats_the_whole_key(monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=written, width=40))
    table = terminal.new_table("Parked", "service", "id", "type", "failure")
    for number in ("7", "8"):
        table.add_row("ledger", number, "account_linked", f"KeyError{number}")
    terminal.show(table, keys=2)
    rows = [line.split() for line in written.getvalue().splitlines() if "ledger" in line]
    assert len(rows) == 4
    assert all(row[3] in ("7", "8") for row in rows)


def test_a_folded_text_takes_no_room_from_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=written, width=80))
    table = terminal.new_table("Proposals", "Id", amounts=("Roubles",))
    table.add_column("What")
    table.add_row("6" * 36, "60 000,00", "adjust_charges 0100000001 2026-10: heating 60 000,00")
    terminal.show(table)
    edges = {line.rstrip()[-1] for line in written.getvalue().splitlines()[1:]}
    assert edges == set("┓┃┩│┘")


def test_a_title_that_is_wider_than_its_columns_is_not_folded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=written, width=80))
    title = "Account 0100000001 as of 2025-05-20"
    table = terminal.new_table(title, "What", amounts=("Roubles",))
    table.add_row("heating", "4 200,00")
    terminal.show(table)
    first, edge, *_ = written.getvalue().splitlines()
    assert first.strip() == title
    assert len(edge) == len(title)
