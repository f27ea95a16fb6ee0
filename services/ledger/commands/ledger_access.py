"""What only the ledger's verbs share: its store or its RPCs, an account's number, runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from services.chosen_book import chosen_book
from services.language import text
from services.ledger.replay.parallel import WorkerFailedError
from services.staff_calls import calls_to, reads_database
from services.terminal import DIFFERENCE, err, opened_store, reporting
from shared import context
from shared.books import SPLIT
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id

Number = Annotated[
    str, typer.Argument(help="The number of the personal account; NUMBER-1 is its first holder's.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="How many processes; one per core when left out."),
]
Against = Annotated[
    list[Path] | None,
    typer.Option(exists=True, dir_okay=False, help="A checkpoint that was kept elsewhere."),
]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Who started a run over the whole ledger, and why."""

    verb: str
    by: str
    reason: str


def ledger_log() -> str:
    """Return the log that a verb works on: that of the book named by --book, or the first one."""
    return chosen_book() or SPLIT


@contextmanager
def opened_ledger(*, writes: bool = False) -> Iterator[PostgresStore]:
    """Open the ledger's store to read or to write; a statement may take as long as the log is.

    Raises ChildProcessError when a parallel worker fails.
    """
    with opened_store(ledger_log(), writes=writes, statement_timeout_ms=0) as store:
        try:
            yield store
        except WorkerFailedError as error:
            raise ChildProcessError(str(error)) from error


def read_or_ask(read: Callable[[Session], Any], method: str, **arguments: Any) -> Any:
    """Return what ``read`` does of the database, or without a login of it what an RPC returns."""
    if reads_database(ledger_log()):
        with opened_ledger() as store:
            return store.query(read)
    with calls_to(ledger_log()) as ledger:
        return ledger.ask(method, **arguments)


@contextmanager
def reporting_seal() -> Iterator[None]:
    """Turn a refusal into one sentence, as `reporting`, and a broken seal into exit code 1."""
    from services.ledger.seal.checkpoint import SignatureError
    from services.ledger.seal.merkle import ProofError
    from services.ledger.seal.tiles import SealBrokenError

    with reporting():
        try:
            yield
        except (SealBrokenError, ProofError, SignatureError) as error:
            err.print(text("The seal is broken: {error}", error=error), soft_wrap=True)
            raise typer.Exit(DIFFERENCE) from None


def record_run(store: PostgresStore, who: str, run: msgspec.Struct) -> None:
    """Keep a run with the commands of the log: its events, if any, name the actor alone."""
    with context.bind(actor=who, command_id=new_id()):
        store.execute(_keep, run)


def _keep(_: Session, command: msgspec.Struct) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(command)
    return kept
