"""``saldo helpdesk``: how staff read, answer, hand over and close questions."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.discovery import open_store
from services.helpdesk import application
from services.helpdesk.answers import question_summary
from services.helpdesk.departments import load_directory
from shared.config import ConfigurationError, load_settings
from shared.context import bind
from shared.errors import ServiceError
from shared.eventstore import Session, Store

C = TypeVar("C")

BAD_INPUT = 2

app = typer.Typer(
    help="Questions of persons.", no_args_is_help=True, pretty_exceptions_show_locals=False
)

Which = Annotated[str, typer.Argument(metavar="QUESTION", help="Its number, or its id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer JSON.")]
Actor = Annotated[
    str | None, typer.Option(help="Who writes; the login name when left out.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check only, and write nothing.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the question, not shown to the person.")]


@app.command("list")
def list_questions(
    *,
    state: Annotated[
        str | None, typer.Option(help="open (the default), answered, closed, or all.")
    ] = "open",
    department: Annotated[str | None, typer.Option(help="Of one department only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List questions, the longest waiting first."""
    if state not in ("open", "answered", "closed", "all"):
        raise typer.BadParameter("open, answered, closed or all", param_hint="--state")
    wanted = None if state == "all" else state
    with _store() as store:
        directory = load_directory()
        views = store.query(lambda session: session.read.questions_in(wanted, department, limit))
    questions = [question_summary(view, directory) for view in views]
    if as_json:
        typer.echo(json.dumps({"questions": questions}, ensure_ascii=False))
        return
    table = Table("number", "state", "department", "topic", "account", "last message (UTC)")
    for found in questions:
        table.add_row(
            str(found["number"]),
            found["state"],
            escape(found["department_title"]),
            escape(found["title"]),
            found["account"] or "",
            found["last_message_at"][:16].replace("T", " "),
        )
    Console().print(table)


@app.command()
def show(question: Which, *, as_json: AsJson = False) -> None:
    """Show a question with its messages."""

    def read(session: Session) -> dict[str, Any]:
        view = application.question_of(session, _id_of(session, question))
        messages = application.messages_of(session, view.question_id)
        return {**question_summary(view, load_directory()), "messages": messages}

    with _store() as store:
        found = store.query(read)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{found['number']}[/] {escape(found['title'])} · {found['state']} · "
        f"{escape(found['department_title'])} · {found['account'] or 'no account'}"
    )
    for message in found["messages"]:
        at = message["at"][:16].replace("T", " ")
        text = "(erased)" if message["text"] is None else message["text"]
        console.print(f"\n[bold]{message['author']}[/] {at} UTC\n{escape(text)}")


@app.command()
def answer(
    question: Which,
    *,
    text: Annotated[str | None, typer.Option(help="The answer.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with the answer; - reads the input.")
    ] = None,
    actor: Actor = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Answer a question; the person gets the answer by e-mail and in the cabinet."""
    if (text is None) == (file is None):
        raise typer.BadParameter("give the answer by one of --text and --file")
    written = _read(file) if text is None else text
    _write(
        actor,
        question,
        lambda question_id: application.AnswerQuestion(
            question_id=question_id, text=written, reason=reason.strip()
        ),
        application.answer_question,
        dry_run,
    )


@app.command()
def route(
    question: Which,
    department: Annotated[str, typer.Argument(help="The id of the department.")],
    *,
    reason: Reason,
    actor: Actor = None,
    dry_run: DryRun = False,
) -> None:
    """Hand a question to another department."""
    with _refusals():
        use_cases = application.QuestionUseCases(load_directory())
    _write(
        actor,
        question,
        lambda question_id: application.RouteQuestion(
            question_id=question_id, department=department, reason=_required(reason)
        ),
        use_cases.route,
        dry_run,
    )


@app.command()
def close(question: Which, *, reason: Reason, actor: Actor = None, dry_run: DryRun = False) -> None:
    """Close a question; a message of the person opens it again."""
    _write(
        actor,
        question,
        lambda question_id: application.CloseQuestion(
            question_id=question_id, reason=_required(reason)
        ),
        application.close_question,
        dry_run,
    )


class _RehearsedError(Exception):
    """Ends a dry run: the transaction is rolled back after every check has passed."""


def _write(
    actor: str | None,
    question: str,
    command_for: Callable[[UUID], C],
    handler: Callable[[Session, C], dict[str, Any]],
    dry_run: bool,
) -> None:
    def rehearse(session: Session, command: C) -> NoReturn:
        handler(session, command)
        session.flush()
        raise _RehearsedError

    with _store() as store, bind(actor=_staff(actor)):
        question_id = store.query(lambda session: _id_of(session, question))
        command = command_for(question_id)
        if not dry_run:
            result = store.execute(handler, command)
            typer.echo(json.dumps(result, ensure_ascii=False))
            return
        try:
            store.transact(rehearse, command)
        except _RehearsedError:
            typer.echo("Dry run: all checks passed, nothing was written.")


@contextmanager
def _store() -> Iterator[Store]:
    with _refusals(), closing(open_store("helpdesk", load_settings())) as store:
        yield store


@contextmanager
def _refusals() -> Iterator[None]:
    """A refusal ends the program with its sentence and the exit code 2."""
    try:
        yield
    except (ConfigurationError, ServiceError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/]")
        raise typer.Exit(BAD_INPUT) from error


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


def _staff(actor: str | None) -> str:
    name = actor or getpass.getuser()
    if not re.fullmatch(r"[\w.@-]{1,64}", name):
        raise typer.BadParameter("a name of letters, digits and . _ @ -", param_hint="--actor")
    return f"staff:{name}"


def _required(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    return reason.strip()


def _read(file: Path | None) -> str:
    try:
        if file is None or str(file) == "-":
            return sys.stdin.read()
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="--file") from error
