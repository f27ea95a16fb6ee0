"""What all staff CLIs share: options, who acts and why, output, progress, exit codes.

Exit codes: 0 done, 1 a difference was found, 2 bad input or no answer. Progress and refusals go
to standard error, so that standard output holds the result alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, overload

import typer
from rich.cells import cell_len
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from services import printed_json
from services.discovery import UnknownServiceError, check_names, open_store
from services.language import refusal, text
from services.signing_in import actor_of, check_login, keys_login_for, login_for
from services.visible_output import TextConsole
from shared import reasons
from shared.config import ConfigurationError, load_settings
from shared.errors import ServiceError
from shared.money import Kopecks, format_roubles, parse_roubles
from shared.reasons import MAX_REASON
from shared.visible_text import visible

# Verbs that call a service, and help, start without the database.
if TYPE_CHECKING:
    from shared.eventstore.postgres import PostgresStore

DONE, DIFFERENCE, BAD_INPUT = 0, 1, 2
LONG_TEXT, FOLDED = 40, 24
"""Characters: a cell that is longer than the first is folded, at no less than the second."""
_FRAME = 3  # between two columns: a line, and a space on either side

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check only; nothing is written.")]
Actor = Annotated[
    str | None, typer.Option(hidden=True, help="Not read: who acts is who has signed in.")
]
Reason = Annotated[str, typer.Option(help="Why; it is recorded for good.", show_default=False)]
OptionalReason = Annotated[str, typer.Option(help="Why; it is recorded.", show_default=False)]
"""The verb itself says when it needs one; its default is an empty text."""


# Who acts, and why


def author(actor: str | None, reason: str, *, optional: bool = False) -> tuple[str, str]:
    """Return who acts (``staff:<name>``) and why, as they are recorded.

    Who acts is who has signed in to the database; ``actor`` is what somebody still gives by
    ``--actor``. With ``optional`` the reason may be empty. Raises ValueError that names the option,
    and ConfigurationError where nobody has signed in.
    """
    why = "" if optional and not reason else recorded_reason(reason)
    who = actor_of(load_settings())
    warn_of_actor(actor, who)
    return who, why


def warn_of_actor(actor: str | None, who: str) -> None:
    """Say on standard error that ``--actor``, where somebody gives it, has no effect."""
    if actor is not None:
        err.print(text("--actor is not read: you act as {who}", who=who), soft_wrap=True)


def recorded_reason(given: str) -> str:
    """Return a reason as it is recorded; raises ValueError that names the option."""
    try:
        return reasons.recorded_reason(given)
    except ValueError:
        if not " ".join(given.split()).isprintable():
            raise ValueError(
                text("--reason: has characters that cannot be shown; write it without them")
            ) from None
        raise ValueError(
            text("--reason: say why, in up to {most} characters; it is recorded", most=MAX_REASON)
        ) from None


# Refusals and the store


@contextmanager
def reporting() -> Iterator[None]:
    """Turn a refusal into one sentence on standard error and exit code 2."""
    try:
        yield
    except ServiceError as error:
        raise refused(refusal_text(error)) from None
    except (
        ConfigurationError,
        UnknownServiceError,
        ValueError,
        OSError,
    ) as error:
        raise refused(str(error)) from None
    except _errors_of_the_database() as error:
        raise refused(database_failure(error)) from None


def _errors_of_the_database() -> tuple[type[Exception], ...]:
    import psycopg
    from eventsourcing.persistence import PersistenceError

    return psycopg.Error, PersistenceError


def database_failure(error: Exception) -> str:
    """Return in the language of the output that the database failed, with its own first line."""
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return text("The database refused or did not answer: {error}", error=first_line)


def refusal_text(error: ServiceError) -> str:
    """Return a service's refusal in the language of the output; else as the service wrote it."""
    return refusal(error.code, error.params) or error.message


def refused(sentence: str) -> typer.Exit:
    """Print why nothing was done; return the exit to raise."""
    err.print(sentence, soft_wrap=True)
    return typer.Exit(BAD_INPUT)


@contextmanager
def opened_store(service: str, *, writes: bool = False, **options: Any) -> Iterator[PostgresStore]:
    """Open the store of a service for whoever has signed in: to read, or to write.

    Raises ConfigurationError when he may not, or when nobody has signed in to write.
    """
    settings = load_settings()
    [name] = check_names([service], settings.books)
    login = login_for(settings, name, writes=writes)
    check_login(login, name)
    options["keys_login"] = keys_login_for(settings, login)
    with closing(open_store(name, settings, login=login, **options)) as store:
        yield store


# Output

# A pipe is as wide as its lines.
out = TextConsole(width=None if sys.stdout.isatty() else 200)
err = TextConsole(stderr=True)
print_json, json_text = printed_json.print_json, printed_json.json_text


def minute(instant: datetime | str | None) -> str:
    """Return an instant (UTC), of a row or of the wire, for a table to the minute; "" for none."""
    shown = instant.isoformat() if isinstance(instant, datetime) else instant or ""
    return shown[:16].replace("T", " ")


def roubles(amount: int | None) -> str:
    """Return kopecks as roubles; an empty string for None."""
    return "" if amount is None else format_roubles(amount)


def new_table(title: str, *names: str, amounts: tuple[str, ...] = ()) -> Table:
    """Return a table whose last columns are amounts of money."""
    table = Table(*names, title=title)
    for name in amounts:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def show(table: Table, *, keys: int = 1) -> None:
    """Print a table; columns that do not fit follow below, beside the key of the row again.

    The key is in the first columns, ``keys`` of them.
    """
    widths = [_width(column) for column in table.columns]
    for columns in _side_by_side(widths, out.width, keys):
        # No narrower than its title, which would be folded.
        part = Table(title=table.title, min_width=min(cell_len(str(table.title)), out.width))
        for place in columns:
            column = table.columns[place]
            part.add_column(
                column.header,
                justify=column.justify,
                min_width=widths[place],
                no_wrap=not _folds(column),  # or rich would take room from it, too
            )
        rows = zip(*(table.columns[place].cells for place in columns), strict=True)
        for row, cells in zip(table.rows, rows, strict=True):
            part.add_row(*cells, style=row.style, end_section=row.end_section)
        out.print(part)


def _width(column: Column) -> int:
    """Return what a column needs: all of its longest cell, but a long text folds."""
    return FOLDED if _folds(column) else _longest(column)


def _folds(column: Column) -> bool:
    return _longest(column) > LONG_TEXT


def _longest(column: Column) -> int:
    """Return the width of a column's longest line."""
    texts = (visible(str(text)) for text in (column.header, *column.cells))
    return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)


def _side_by_side(widths: Sequence[int], room: int, keys: int) -> Iterator[list[int]]:
    """Divide columns into tables that fit; each begins with the columns of the key."""
    key, of_key = list(range(keys)), sum(widths[:keys]) + keys * _FRAME + 1
    columns, used = key.copy(), of_key
    for place, width in enumerate(widths[keys:], start=keys):
        if used + width + _FRAME > room and len(columns) > keys:
            yield columns
            columns, used = key.copy(), of_key
        columns.append(place)
        used += width + _FRAME
    yield columns


# Progress


@contextmanager
def counting(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; yields the function that advances it."""
    with counting_each(total, title) as [advance]:
        yield advance


@contextmanager
def counting_each(total: int | None, *titles: str) -> Iterator[list[Callable[[int], None]]]:
    """Show a progress bar for each of some steps in turn; yields what advances each."""
    with _bars(titles, total, MofNCompleteColumn(), TimeElapsedColumn()) as advances:
        yield advances


@contextmanager
def counting_bytes(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show the progress through ``total`` bytes of a file; yields the function that advances it."""
    columns = (DownloadColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with _bars([title], total, *columns) as [advance]:
        yield advance


@contextmanager
def _bars(
    titles: Sequence[str], total: int | None, *columns: ProgressColumn
) -> Iterator[list[Callable[[int], None]]]:
    """Show a bar for each title; the time of all but the first runs from when they advance."""
    description = TextColumn("{task.description}", markup=False)
    with Progress(description, BarColumn(), *columns, console=err) as bar:
        tasks = [
            bar.add_task(visible(title), total=total, start=place == 0)
            for place, title in enumerate(titles)
        ]

        def advance(task: TaskID, done: int) -> None:
            bar.start_task(task)
            bar.advance(task, done)

        yield [partial(advance, task) for task in tasks]


# Days


@overload
def day(given: str, option: str) -> date: ...
@overload
def day(given: str | None, option: str) -> date | None: ...
def day(given: str | None, option: str) -> date | None:
    """Return the day written as 2026-10-31; raises ValueError that names the option."""
    if given is None:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        try:
            return date.fromisoformat(given)
        except ValueError:
            pass
    raise ValueError(
        text(
            "{option}: {given!r} is not a day; write it like 2026-10-31", option=option, given=given
        )
    )


def day_or_instant(given: str | None, option: str) -> str | None:
    """Return a day, or an instant with its zone, in ISO 8601; raises ValueError."""
    if given is None or len(given) == len("2026-10-31"):
        found = day(given, option)
        return found.isoformat() if found else None
    try:
        instant = datetime.fromisoformat(given)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(
            text(
                "{option}: {given!r} is neither a day (2026-10-31) nor an instant with its zone "
                "(2026-10-31T12:00:00+03:00)",
                option=option,
                given=given,
            )
        )
    return instant.isoformat()


# Money


def money(given: str, option: str) -> Kopecks:
    """Return a sum written in roubles, in kopecks; raises ValueError that names the option."""
    try:
        return parse_roubles(given)
    except ValueError:
        raise ValueError(
            text(
                "{option}: {given!r} is not an amount in roubles, or more than the largest amount "
                "of one posting; write it like 4500,00",
                option=option,
                given=given,
            )
        ) from None
