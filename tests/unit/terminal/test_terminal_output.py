"""Text written by others reaches a terminal without control over it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import cast

import psycopg
import pytest
import typer
from eventsourcing.persistence import PersistenceError
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services import terminal
from services.cli import app
from services.terminal import counting, print_json
from services.visible_output import TextConsole, VisibleStream, make_streams_visible
from shared.visible_text import visible
from tests.hostile_texts import HOSTILE, shapeless

every_text = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)


def flat(text: str) -> str:
    """Return a text without the frames and line ends that a table brings."""
    return "".join(text.split())


def as_text(console: TextConsole, hostile: str) -> None:
    console.print(hostile)


def as_styled_text(console: TextConsole, hostile: str) -> None:
    console.print(Panel(Text(hostile, style="bold")))


def as_title(console: TextConsole, hostile: str) -> None:
    console.print(Table("Name", title=hostile))


def as_cell(console: TextConsole, hostile: str) -> None:
    made = Table(hostile)
    made.add_row(hostile)
    made.add_row(Text(hostile))
    console.print(made)


@every_text
@pytest.mark.parametrize("show", [as_text, as_styled_text, as_title, as_cell])
def test_a_console_prints_others_text_without_control(
    show: Callable[[TextConsole, str], None], hostile: str
) -> None:
    written = StringIO()
    show(TextConsole(file=written, width=2000), hostile)
    assert not shapeless(written.getvalue())


@every_text
def test_a_console_writes_out_what_it_does_not_obey(hostile: str) -> None:
    written = StringIO()
    TextConsole(file=written, width=2000).print(hostile)
    assert flat(visible(hostile)) in flat(written.getvalue())


@every_text
def test_a_progress_bar_shows_others_text_without_control(
    monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "err", TextConsole(file=written, width=2000))
    with counting(hostile, 1) as advance:
        advance(1)
    assert not shapeless(written.getvalue())


@every_text
def test_a_table_is_as_wide_as_what_it_shows(monkeypatch: pytest.MonkeyPatch, hostile: str) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=written, width=300))
    table = terminal.new_table("Questions", "text", amounts=("Total",))
    table.add_row(hostile, "4 500,00")
    terminal.show(table)
    assert not shapeless(written.getvalue())
    assert "4 500,00" in written.getvalue()


@every_text
def test_json_escapes_control_and_keeps_the_text(
    capsys: pytest.CaptureFixture[str], hostile: str
) -> None:
    print_json({"holder": hostile})
    written = capsys.readouterr().out
    assert json.loads(written) == {"holder": hostile}
    assert not shapeless(written)


def opened(monkeypatch: pytest.MonkeyPatch) -> tuple[StringIO, StringIO]:
    """Return what a process of the command line writes to its two streams from now on."""
    written = StringIO(), StringIO()
    monkeypatch.setattr(sys, "stdout", written[0])
    monkeypatch.setattr(sys, "stderr", written[1])
    make_streams_visible()
    return written


@every_text
def test_whatever_is_written_past_the_console_is_harmless_too(
    monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    streams = opened(monkeypatch)
    sys.stdout.write(hostile)
    typer.echo(hostile)
    sys.stderr.writelines([hostile])
    for stream in streams:
        assert visible(hostile) in stream.getvalue()
        assert not shapeless(stream.getvalue())


def test_a_console_keeps_its_own_sequences_on_such_a_stream() -> None:
    written = StringIO()
    stream = cast("StringIO", VisibleStream(written))
    Console(file=stream, force_terminal=True, color_system="standard").print("Saldo", style="red")
    assert "\x1b[31mSaldo\x1b[0m" in written.getvalue()


@every_text
@pytest.mark.parametrize("arguments", [("{}",), ("helpdesk", "{}"), ("helpdesk", "list", "{}")])
def test_a_refused_argument_is_shown_without_control(
    monkeypatch: pytest.MonkeyPatch, hostile: str, arguments: tuple[str, ...]
) -> None:
    streams = opened(monkeypatch)
    given = [hostile if argument == "{}" else argument for argument in arguments]
    with pytest.raises(SystemExit, match="2"):
        app(given)
    assert not any(shapeless(stream.getvalue()) for stream in streams)


def test_lines_and_tabs_of_a_message_stay() -> None:
    assert visible("Почему\n\tвыросла сумма?") == "Почему\n\tвыросла сумма?"


@pytest.mark.parametrize("raised", [psycopg.OperationalError, PersistenceError])
def test_error_of_the_database_is_one_sentence(
    raised: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), terminal.reporting():
        raise raised("server closed the connection\nLINE 1")
    sentence = "The database refused or did not answer: server closed the connection\n"
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize(
    "instant", [datetime(2026, 5, 14, 9, 30, 7, tzinfo=UTC), "2026-05-14T09:30:07+00:00"]
)
def test_an_instant_is_shown_to_the_minute(instant: datetime | str) -> None:
    assert terminal.minute(instant) == "2026-05-14 09:30"
    assert terminal.minute(None) == ""


def test_a_reason_that_cannot_be_shown_is_told_so() -> None:
    with pytest.raises(ValueError, match="cannot be shown"):
        terminal.recorded_reason("order \x1b[2J 17")
    with pytest.raises(ValueError, match="say why"):
        terminal.recorded_reason(" ")
