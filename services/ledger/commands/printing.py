"""What all verbs share: the store, the tables and JSON they print, the words they take.

Exit codes: 0 done, 1 found a difference, 2 bad input or no answer. Progress and errors go to
standard error, so that standard output is the answer alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
import psycopg
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from services.discovery import open_store
from services.ledger.replay.parallel import WorkerFailedError
from shared.config import ConfigurationError, load_settings
from shared.errors import ServiceError
from shared.eventstore.postgres import PostgresStore
from shared.money import format_roubles

DIFFERENCE, BAD_INPUT = 1, 2
LONG_TEXT, FOLDED = 40, 24
"""Characters: a cell that is longer than the first is folded, at no less than the second."""
_FRAME = 3  # what stands between two columns: a line, and a space on either side

# What staff and files have written is text, never markup; a pipe is as wide as its lines.
out = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(markup=False, highlight=False, stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Answer JSON instead of a table.")]
Number = Annotated[str, typer.Argument(help="The number of the personal account.")]
Actor = Annotated[str, typer.Option(help="Who does it: the name of one of the staff.")]
Reason = Annotated[str, typer.Option(help="Why: it stands in the log for good.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would happen.")]


@contextmanager
def opened_store() -> Iterator[PostgresStore]:
    """Open the ledger's store; statements may take as long as the log is."""
    store = open_store("ledger", load_settings(), statement_timeout_ms=0)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what is refused into a sentence and exit code 2."""
    try:
        yield
    except (ServiceError, ConfigurationError, WorkerFailedError, ValueError, OSError) as error:
        err.print(str(error), soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None
    except psycopg.Error as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        err.print(f"The database refused or did not answer: {first_line}", soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar while something is counted; yields how to advance it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def new_table(title: str, *names: str, amounts: tuple[str, ...] = ()) -> Table:
    """Return a table whose last columns are amounts of money."""
    table = Table(*names, title=title)
    for name in amounts:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def show(table: Table) -> None:
    """Print a table; what a terminal is too narrow for stands below, behind the first column."""
    widths = [_width(column) for column in table.columns]
    for columns in _side_by_side(widths, out.width):
        part = Table(title=table.title)
        for place in columns:
            column = table.columns[place]
            part.add_column(column.header, justify=column.justify, min_width=widths[place])
        rows = zip(*(table.columns[place].cells for place in columns), strict=True)
        for row, told in zip(table.rows, rows, strict=True):
            part.add_row(*told, style=row.style)
        out.print(part)


def _width(column: Column) -> int:
    """Return what a column needs: all of its longest cell, but a long text folds."""
    longest = max(cell_len(str(text)) for text in (column.header, *column.cells))
    return longest if longest <= LONG_TEXT else FOLDED


def _side_by_side(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Divide columns into tables that fit; each begins with the first column, the key."""
    columns, used = [0], widths[0] + _FRAME + 1
    for place, width in enumerate(widths[1:], start=1):
        if used + width + _FRAME > room and len(columns) > 1:
            yield columns
            columns, used = [0], widths[0] + _FRAME + 1
        columns.append(place)
        used += width + _FRAME
    yield columns


def roubles(amount: int | None) -> str:
    """Write kopecks as roubles; nothing for nothing."""
    return "" if amount is None else format_roubles(amount)


def day(text: str | None, option: str) -> date | None:
    """Read a day; raises ValueError that names the option."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(f"{option}: {text!r} is not a day; write it like 2026-10-31")


def day_or_instant(text: str | None, option: str) -> str | None:
    """Check a day, or an instant with its zone, and return it as ``balance`` takes it."""
    if text is None or len(text) == len("2026-10-31"):
        found = day(text, option)
        return found.isoformat() if found else None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(
            f"{option}: {text!r} is neither a day (2026-10-31) nor an instant with its zone "
            "(2026-10-31T12:00:00+03:00)"
        )
    return instant.isoformat()


def author(actor: str, reason: str) -> tuple[str, str]:
    """Return who writes (``staff:<name>``, in small letters) and why, as the log keeps them.

    Raises ValueError for a name that is none, and for no reason.
    """
    name = actor.strip().removeprefix("staff:").lower()
    if not re.fullmatch(r"[\w.@-]{1,64}", name):
        raise ValueError("--actor: a name has letters, digits and . _ @ -, as ivanova")
    why = " ".join(reason.split())
    if not why or len(why) > 500 or not why.isprintable():
        raise ValueError("--reason: say why, in up to 500 characters; it stands in the log")
    return f"staff:{name}", why
