"""Names of what the help desk tells, in the language of the output; rows of CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from services.language import Language, language, text
from shared.tablefiles.formulae import csv_line

Which = Annotated[str, typer.Argument(metavar="QUESTION", help="Its number or its id.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV with semicolons instead.")]


def state_name(state: str) -> str:
    """Return the name of a state of questions."""
    return {
        "open": text("open"),
        "in_progress": text("in progress"),
        "waiting": text("waiting for the person"),
        "answered": text("answered"),
        "reopened": text("reopened"),
        "closed": text("closed"),
    }.get(state, state)


def dispute_name(state: str) -> str:
    """Return the name of a state of a disputed line."""
    return {
        "under_review": text("under review"),
        "corrected": text("corrected"),
        "rejected": text("not corrected"),
    }.get(state, state)


def decision_name(decision: str | None) -> str:
    """Return the name of what was decided on a proposal; None: nothing yet."""
    return {
        None: text("awaits a second person"),
        "approved": text("approved"),
        "rejected": text("rejected"),
        "withdrawn": text("withdrawn"),
    }.get(decision, str(decision))


def system_words(decision: str) -> str:
    """Return what a message of the system says: what was decided on a proposal."""
    return {
        "approved": text("The proposed adjustment is approved."),
        "rejected": text("The proposed adjustment is rejected."),
    }.get(decision, decision)


def author_name(author: str) -> str:
    """Return who wrote a message."""
    return {
        "person": text("person"),
        "staff": text("staff"),
        "system": text("system"),
    }.get(author, author)


def due_words(question: Mapping[str, Any]) -> str:
    """Return the due day of a question, and whether that is near or over; "" without one."""
    due_on = question["due_on"]
    if due_on is None:
        return ""
    if question["overdue"]:
        return text("{day}, overdue", day=due_on)
    return text("{day}, soon", day=due_on) if question["due_soon"] else str(due_on)


def titled(titles: Mapping[str, Any], name: str = "title") -> str:
    """Return a title in the language of the output; ``titles`` has it under two names."""
    return str(titles[name if language() is Language.RU else f"{name}_en"])


def print_csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their names as CSV; None is empty."""
    sys.stdout.write(csv_line(list(names)))
    for row in rows:
        sys.stdout.write(csv_line(["" if value is None else str(value) for value in row]))


def one_form(json: bool, csv: bool) -> None:
    """Raise ValueError where both forms of output are asked for."""
    if json and csv:
        raise ValueError(text("give one of --json and --csv"))
