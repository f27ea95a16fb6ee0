"""``saldo helpdesk report``: how soon questions are answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from services.helpdesk.verbs.words import Csv, one_form, print_csv, titled
from services.language import text
from services.staff_calls import calls_to
from services.terminal import Json, day, new_table, out, print_json, reporting, show

DEFAULT_DAYS = timedelta(days=90)
BAR = 40
"""Characters of the longest bar."""
FIGURES = ("asked", "answered", "in_time", "median", "ninety", "waiting", "overdue", "unseen")


def report(
    *,
    from_: Annotated[
        str | None, typer.Option("--from", help="The first day; 90 days before the last one.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="The last day; today.")] = None,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """Report how soon questions are answered, by department and topic.

    Of what was asked from one day to another: how much is answered, and in time, within how many
    working days half and 90 % of the answers came, what waits for persons and what is overdue. New
    are messages that no staff has opened, whenever they came.
    """
    with reporting():
        one_form(json, csv)
        last = day(to, "--to") or datetime.now(UTC).date() + timedelta(days=1)
        first = day(from_, "--from") or last - DEFAULT_DAYS
        if first > last:
            raise ValueError(text("--from: {first} is after {last}", first=first, last=last))
        with calls_to("helpdesk") as helpdesk:
            found = helpdesk.ask("report", first=first.isoformat(), last=last.isoformat())
    if json:
        print_json(found)
    elif csv:
        names = ("department", "topic", *FIGURES)
        print_csv(names, ([*row[:2], *_figures(row[2])] for row in _rows(found, ids=True)))
    else:
        _show_report(found, first, last)


def _rows(found: dict[str, Any], *, ids: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for department in found["departments"]:
        named = department["department"] if ids else titled(department)
        yield named, "", department
        for topic in department["topics"]:
            yield named if ids else "", topic["topic"] if ids else titled(topic), topic
    yield "total" if ids else text("Total"), "", found["total"]


def _figures(figures: dict[str, Any]) -> Sequence[int | None]:
    return [figures[name] for name in FIGURES]


def _show_report(found: dict[str, Any], first: date, last: date) -> None:
    table = new_table(
        text("Questions asked from {first} to {last}", first=first, last=last),
        text("Department"),
        text("Topic"),
        amounts=(
            text("Asked"),
            text("Answered"),
            text("In time"),
            text("Half within, days"),
            text("90 % within, days"),
            text("Waiting"),
            text("Overdue"),
            text("New"),
        ),
    )
    for department, topic, figures in _rows(found, ids=False):
        cells = ("" if value is None else str(value) for value in _figures(figures))
        table.add_row(department, topic, *cells, style=None if topic else "bold")
    show(table, keys=2)
    if found["total"]["days"]:
        out.print(text("Working days from question to answer, and how many answers took them:"))
        for line in bars(found["total"]["days"]):
            out.print(line)


def bars(days: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Return a line for each number of days: the number, a bar, and how many answers."""
    most = max(count for _, count in days)
    width = len(str(max(number for number, _ in days)))
    for number, count in days:
        bar = "█" * max(1, round(BAR * count / most))
        yield f"{number:>{width}} {bar} {count}"
