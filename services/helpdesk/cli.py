"""``saldo helpdesk``: read, answer, route and close questions.

The help desk does it: a verb calls it by RPC, under the broker's user of whoever runs it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    StaffVerbs,
    new_table,
    out,
    print_json,
    reporting,
    show,
)

app = StaffVerbs("The questions that persons ask. Reasons are hidden from them.")

Which = Annotated[str, typer.Argument(metavar="QUESTION", help="Its number or its id.")]


@app.reads("list")
def list_questions(
    *,
    state: Annotated[
        str | None, typer.Option(help="open (the default), answered, closed, or all.")
    ] = "open",
    department: Annotated[str | None, typer.Option(help="One department only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 100,
    json: Json = False,
) -> None:
    """List questions, longest waiting first."""
    with reporting():
        if state not in ("open", "answered", "closed", "all"):
            raise ValueError("--state: open, answered, closed or all")
        chosen = None if state == "all" else state
        with calls_to("helpdesk") as helpdesk:
            listed = helpdesk.ask(
                "questions_of_state", state=chosen, department=department, limit=limit
            )
    if json:
        print_json(listed)
        return
    names = ("number", "state", "department", "topic", "account", "last message (UTC)")
    table = new_table("Questions", *names)
    for found in listed["questions"]:
        table.add_row(
            str(found["number"]),
            found["state"],
            found["department_title"],
            found["title"],
            found["account"] or "",
            found["last_message_at"][:16].replace("T", " "),
        )
    show(table)


@app.reads("show")
def show_question(question: Which, *, json: Json = False) -> None:
    """Show a question with its messages."""
    with reporting(), calls_to("helpdesk") as helpdesk:
        found = helpdesk.ask("any_question", question=question)
    if json:
        print_json(found)
        return
    out.print(
        f"{found['number']} {found['title']} · {found['state']} · {found['department_title']} · "
        f"{found['account'] or 'no account'}",
        style="bold",
        soft_wrap=True,
    )
    for message in found["messages"]:
        at = message["at"][:16].replace("T", " ")
        out.print(f"\n{message['author']} {at} UTC", style="bold")
        out.print("(erased)" if message["text"] is None else message["text"], soft_wrap=True)


@app.writes("answer")
def answer(
    question: Which,
    *,
    text: Annotated[str | None, typer.Option(help="The answer.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with the answer; - for standard input.")
    ] = None,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Answer a question; the person gets the answer by e-mail and in the cabinet."""
    with reporting():
        if (text is None) == (file is None):
            raise ValueError("give the answer by one of --text and --file")
        written = _read(file) if text is None else text
        result = _write("answer", question, actor, dry_run, text=written, reason=reason)
    _print_done(f"Question {question} is answered.", result, json)


@app.writes("route")
def route(
    question: Which,
    department: Annotated[str, typer.Argument(help="The id of the department.")],
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Route a question to another department."""
    with reporting():
        result = _write("route", question, actor, dry_run, department=department, reason=reason)
    _print_done(f"Question {question} is now with {department}.", result, json)


@app.writes("close")
def close(
    question: Which,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close a question; a message of the person opens it again."""
    with reporting():
        result = _write("close", question, actor, dry_run, reason=reason)
    _print_done(f"Question {question} is closed.", result, json)


def _write(
    method: str, question: str, actor: str | None, dry_run: bool, **arguments: Any
) -> dict[str, Any]:
    with calls_to("helpdesk", actor) as helpdesk:
        result = helpdesk.command(method, question=question, dry_run=dry_run, **arguments)
    return dict(result)


def _print_done(done: str, result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
    elif result.get("dry_run"):
        out.print("Dry run: all checks passed, nothing was written.")
    else:
        out.print(done, soft_wrap=True)


def _read(file: Path | None) -> str:
    if file is None or str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--file: cannot be read: {error}") from error
