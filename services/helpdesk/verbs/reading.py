"""``saldo helpdesk list | show``: which questions there are, and what one says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.text import Text

from services.helpdesk.domain import State
from services.helpdesk.verbs.disputes import print_dispute
from services.helpdesk.verbs.words import (
    Csv,
    Which,
    author_name,
    due_words,
    one_form,
    print_csv,
    state_name,
    system_words,
    titled,
)
from services.language import language, text
from services.staff_calls import calls_to
from services.terminal import Json, minute, new_table, out, print_json, reporting, show
from shared import formats
from shared.visible_text import visible

STATES = ("owed", *get_args(State), "all")
INDENT = "  "
COLUMNS = (
    "number", "state", "department", "topic", "account", "assigned_to", "due_on", "overdue",
    "unseen", "asked_at", "last_message_at",
)  # fmt: skip


def list_questions(
    *,
    state: Annotated[
        str,
        typer.Option(
            help="owed (open, in_progress or reopened), one of these, waiting, answered, closed, "
            "or all."
        ),
    ] = "owed",
    department: Annotated[str | None, typer.Option(help="One department only.")] = None,
    assigned_to: Annotated[
        str | None, typer.Option("--assigned-to", help="Those of one of the staff only.")
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those that should have been answered.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 100,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """List questions by their due day, those that are owed an answer first."""
    with reporting():
        one_form(json, csv)
        if state not in STATES:
            raise ValueError(text("--state: one of {states}", states=", ".join(STATES)))
        with calls_to("helpdesk") as helpdesk:
            listed = helpdesk.ask(
                "questions_of_state",
                state=None if state == "all" else state,
                department=department,
                assigned_to=assigned_to,
                overdue=overdue,
                limit=limit,
            )
    if json:
        print_json(listed)
    elif csv:
        rows = ([question[name] for name in COLUMNS] for question in listed["questions"])
        print_csv(COLUMNS, rows)
    else:
        _show_list(listed["questions"])


def show_question(question: Which, *, json: Json = False) -> None:
    """Show a question with its messages; its new messages count as seen."""
    with reporting(), calls_to("helpdesk") as helpdesk:
        found = helpdesk.ask("any_question", question=question)
    if json:
        print_json(found)
        return
    facts = (
        f"{found['number']} {titled(found)}",
        state_name(found["state"]),
        titled(found, "department_title"),
        found["account"] or text("no account"),
        due_words(found) and text("due {day}", day=due_words(found)),
        found["assigned_to"] and text("assigned to {login}", login=found["assigned_to"]),
    )
    out.print(" · ".join(filter(None, facts)), style="bold", soft_wrap=True)
    if found["dispute"]:
        print_dispute(found["dispute"])
    number = 0
    for message in found["messages"]:
        out.print(f"\n{author_name(message['author'])} {minute(message['at'])} UTC", style="bold")
        print_indented(_written(message))
        for file in message["attachments"]:
            number += 1
            size = formats.size(file["size"], language().value)
            print_indented(f"[{number}] {file['name']} ({file['media_type']}, {size})")


def _written(message: Mapping[str, Any]) -> str:
    written: str | None = message["text"]
    if written is None:
        return text("(erased)")
    return system_words(written) if message["author"] == "system" else written


def print_indented(written: str) -> None:
    """Print what somebody else wrote so that no line of it looks like the head of a message."""
    # Broken here: the terminal, or a pager in it, would go on at its left edge.
    width = min(out.width, Console().width) - len(INDENT)
    for line in Text(visible(written)).wrap(out, width, overflow="fold"):
        out.print(f"{INDENT}{line.plain}", soft_wrap=True)


def _show_list(questions: list[dict[str, Any]]) -> None:
    table = new_table(
        text("Questions"),
        text("No."),
        text("State"),
        text("Due"),
        text("Department"),
        text("Topic"),
        text("Account"),
        text("Assigned to"),
        text("New"),
        text("Last message (UTC)"),
    )
    for found in questions:
        table.add_row(
            str(found["number"]),
            state_name(found["state"]),
            due_words(found),
            titled(found, "department_title"),
            titled(found),
            found["account"] or "",
            found["assigned_to"] or "",
            str(found["unseen"] or ""),
            minute(found["last_message_at"]),
        )
    show(table)
