"""``saldo helpdesk answer | route | assign | close``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.helpdesk.verbs.files import check_files, send
from services.helpdesk.verbs.words import Which
from services.language import text
from services.staff_calls import calls_to
from services.terminal import (
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    out,
    print_json,
    reporting,
)


def answer(
    question: Which,
    *,
    text_: Annotated[str | None, typer.Option("--text", help="The answer.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with the answer; - for standard input.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Ask back: the due day stands still until the person writes."),
    ] = False,
    attach: Annotated[
        list[Path] | None,
        typer.Option(help="A picture or a PDF that goes with it, up to 5 MB; three at most."),
    ] = None,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Answer a question; the person is told by e-mail, and reads the answer in the cabinet.

    Look at it first (`saldo helpdesk show`): it is refused if the person has written more since.
    """
    with reporting():
        if (text_ is None) == (file is None):
            raise ValueError(text("give the answer by one of --text and --file"))
        written = _read(file) if text_ is None else text_
        check_files(attach or [])
        with calls_to("helpdesk", actor) as helpdesk:
            # A dry run sends no file: it would be one that no answer takes.
            sent = [] if dry_run else [send(helpdesk, each) for each in attach or []]
            result = helpdesk.command(
                "answer",
                question=question,
                dry_run=dry_run,
                text=written,
                wait=wait,
                reason=reason,
                attachments=sent,
            )
    done = (
        text("Question {question} waits for the person.", question=question)
        if wait
        else text("Question {question} is answered.", question=question)
    )
    _print_done(done, result, json)


def route(
    question: Which,
    department: Annotated[str, typer.Argument(help="The id of the department.")],
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Route a question to another department; its due day stays."""
    with reporting():
        result = _write("route", question, actor, dry_run, department=department, reason=reason)
    done = text(
        "Question {question} is now with {department}.", question=question, department=department
    )
    _print_done(done, result, json)


def assign(
    question: Which,
    to: Annotated[
        str | None, typer.Argument(metavar="LOGIN", help="Who is to answer; left out: nobody.")
    ] = None,
    *,
    actor: Actor = None,
    reason: OptionalReason = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Assign a question to somebody of the staff who may answer, or to nobody."""
    with reporting():
        result = _write("assign", question, actor, dry_run, to=to, reason=reason)
    done = (
        text("Question {question} is assigned to nobody.", question=question)
        if to is None
        else text("Question {question} is assigned to {login}.", question=question, login=to)
    )
    _print_done(done, result, json)


def close(
    question: Which,
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close a question that staff have seen; a message of the person opens it again."""
    with reporting():
        result = _write("close", question, actor, dry_run, reason=reason)
    _print_done(text("Question {question} is closed.", question=question), result, json)


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
        out.print(text("Dry run: all checks passed, nothing was written."))
    else:
        out.print(done, soft_wrap=True)


def _read(file: Path | None) -> str:
    if file is None or str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(text("--file: cannot be read: {error}", error=error)) from error
