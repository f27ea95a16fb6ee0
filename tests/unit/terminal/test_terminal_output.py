"""Text written by others reaches a terminal without control over it."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import psycopg
import pytest
import typer
from eventsourcing.persistence import PersistenceError
from rich.table import Table

from services import terminal
from services.terminal import TextConsole, counting, print_json, printable

CONTROLS = [
    *map(chr, (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))),
    *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
]
HOSTILE = f"[bold]Пе{''.join(CONTROLS)}тров[/bold]"
SHOWN = f"[bold]Пе{len(CONTROLS) * chr(0xFFFD)}тров[/bold]"


def text(console: TextConsole) -> None:
    console.print(HOSTILE)


def table(console: TextConsole) -> None:
    made = Table(HOSTILE, title=HOSTILE)
    made.add_row(HOSTILE)
    console.print(made)


@pytest.mark.parametrize("show", [text, table])
def test_a_console_prints_others_text_without_control(show: Callable[[TextConsole], None]) -> None:
    written = StringIO()
    show(TextConsole(file=written, width=400))
    assert SHOWN in written.getvalue()
    assert not set(CONTROLS) & set(written.getvalue())


def test_a_progress_bar_shows_others_text_without_control(monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "err", TextConsole(file=written, width=400))
    with counting(HOSTILE, 1) as advance:
        advance(1)
    assert SHOWN in written.getvalue()
    assert not set(CONTROLS) & set(written.getvalue())


def test_json_escapes_control_and_keeps_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"holder": HOSTILE})
    written = capsys.readouterr().out
    assert json.loads(written) == {"holder": HOSTILE}
    assert not set(CONTROLS) & set(written)


def test_lines_and_tabs_of_a_message_stay() -> None:
    assert printable("Почему\n\tвыросла сумма?") == "Почему\n\tвыросла сумма?"


@pytest.mark.parametrize("raised", [psycopg.OperationalError, PersistenceError])
def test_error_of_the_database_is_one_sentence(
    raised: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), terminal.reporting():
        raise raised("server closed the connection\nLINE 1")
    sentence = "The database refused or did not answer: server closed the connection\n"
    assert capsys.readouterr().err == sentence
