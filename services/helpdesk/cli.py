"""``saldo helpdesk``: read, answer, route and close questions."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import typer

from services.helpdesk import application
from services.helpdesk.answers import question_summary
from services.helpdesk.departments import load_directory
from services.terminal import (
    Actor,
    DryRun,
    Json,
    OptionalReason,
    Reason,
    StaffVerbs,
    author,
    new_table,
    opened_store,
    out,
    print_json,
    reporting,
    show,
)
from shared.context import bind
from shared.eventstore import Session

C = TypeVar("C")

app = StaffVerbs("The questions that persons ask. Reasons are hidden from them.")

Which = Annotated[str, typer.Argument(metavar="QUESTION", help="Its number or its id.")]


@app.reads("list")
def list_questions(
    *,
    state: Annotated[
        str | None, typer.Option(help="open (the default), answered, closed, or all.")
    ] = "open",
    department: Annotated[str | None, typer.Option(help="One department only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    json: Json = False,
) -> None:
    """List questions, longest waiting first."""
    with reporting(), opened_store("helpdesk") as store:
        if state not in ("open", "answered", "closed", "all"):
            raise ValueError("--state: open, answered, closed or all")
        chosen = None if state == "all" else state
        directory = load_directory()
        views = store.query(lambda session: session.read.questions_in(chosen, department, limit))
    questions = [question_summary(view, directory) for view in views]
    if json:
        print_json({"questions": questions})
        return
    names = ("number", "state", "department", "topic", "account", "last message (UTC)")
    table = new_table("Questions", *names)
    for found in questions:
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

    def read(session: Session) -> dict[str, Any]:
        view = application.question_of(session, _id_of(session, question))
        messages = application.messages_of(session, view.question_id)
        return {**question_summary(view, load_directory()), "messages": messages}

    with reporting(), opened_store("helpdesk") as store:
        found = store.query(read)
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
) -> None:
    """Answer a question; the person gets the answer by e-mail and in the cabinet."""
    with reporting():
        if (text is None) == (file is None):
            raise ValueError("give the answer by one of --text and --file")
        written = _read(file) if text is None else text
        who, note = author(actor, reason, optional=True)
        _write(
            who,
            question,
            lambda question_id: application.AnswerQuestion(
                question_id=question_id, text=written, reason=note
            ),
            application.answer_question,
            dry_run,
        )


@app.writes("route")
def route(
    question: Which,
    department: Annotated[str, typer.Argument(help="The id of the department.")],
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
) -> None:
    """Route a question to another department."""
    with reporting():
        who, why = author(actor, reason)
        _write(
            who,
            question,
            lambda question_id: application.RouteQuestion(
                question_id=question_id, department=department, reason=why
            ),
            application.QuestionUseCases(load_directory()).route,
            dry_run,
        )


@app.writes("close")
def close(question: Which, *, reason: Reason, actor: Actor = None, dry_run: DryRun = False) -> None:
    """Close a question; a message of the person opens it again."""
    with reporting():
        who, why = author(actor, reason)
        _write(
            who,
            question,
            lambda question_id: application.CloseQuestion(question_id=question_id, reason=why),
            application.close_question,
            dry_run,
        )


class _DryRunEnd(Exception):  # noqa: N818 - no error: it rolls the transaction back
    """Ends a dry run: all checks have passed."""


def _write(
    who: str,
    question: str,
    command_for: Callable[[UUID], C],
    handler: Callable[[Session, C], dict[str, Any]],
    dry_run: bool,
) -> None:
    def check_only(session: Session, command: C) -> NoReturn:
        handler(session, command)
        session.flush()
        raise _DryRunEnd

    with opened_store("helpdesk") as store, bind(actor=who):
        command = command_for(store.query(lambda session: _id_of(session, question)))
        if not dry_run:
            print_json(store.execute(handler, command))
            return
        try:
            store.transact(check_only, command)
        except _DryRunEnd:
            out.print("Dry run: all checks passed, nothing was written.")


def _id_of(session: Session, question: str) -> UUID:
    if re.fullmatch(r"[0-9]{1,18}", question):
        found: UUID | None = session.read.id_of_number(int(question))
        if found is None:
            raise application.not_found()
        return found
    try:
        return UUID(question)
    except ValueError:
        raise application.not_found() from None


def _read(file: Path | None) -> str:
    if file is None or str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--file: cannot be read: {error}") from error
