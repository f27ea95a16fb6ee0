"""What only the ledger's verbs share: its store or its RPCs, an account's number, runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from services.chosen_book import chosen_book
from services.language import text
from services.ledger.replay.parallel import Progress, WorkerFailedError
from services.ledger.replay.sorted_log import log_size
from services.ledger.tables.book_rules import book_of_number, rules_of
from services.staff_calls import calls_to, reads_database
from services.terminal import DIFFERENCE, counting, counting_each, err, opened_store, reporting
from shared import context
from shared.account_key import number_of
from shared.books import SPLIT
from shared.config import load_settings
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from shared.rpc.book_methods import routed

Number = Annotated[
    str, typer.Argument(help="The number of the personal account; NUMBER-1 is its first holder's.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="How many processes; one per core when left out."),
]
SortLog = Annotated[
    bool,
    typer.Option(
        "--sort-log",
        help="For a log larger than the server's memory: sort it there before, which takes as "
        "much room as the log has.",
    ),
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


def all_logs() -> Sequence[str]:
    """Return the logs that a report is of: of the book named by --book, or of all."""
    chosen = chosen_book()
    return (chosen,) if chosen else (SPLIT, *load_settings().books)


def log_of_account(name: str) -> str:
    """Return the log of the book that an account is of, by how staff name it."""
    logs = all_logs()
    if len(logs) == 1:
        return logs[0]
    with opened_store(SPLIT) as first:
        return first.query(lambda session: book_of_number(session.cursor, number_of(name)))


@contextmanager
def opened_books() -> Iterator[list[PostgresStore]]:
    """Open the stores of all books that a report is of; as `opened_ledger`."""
    with ExitStack() as stack:
        yield [stack.enter_context(opened_ledger(log=log)) for log in all_logs()]


@contextmanager
def opened_ledger(*, writes: bool = False, log: str = "") -> Iterator[PostgresStore]:
    """Open the ledger's store to read or to write; a statement may take as long as the log is.

    Raises ChildProcessError when a parallel worker fails.
    """
    with opened_store(log or ledger_log(), writes=writes, statement_timeout_ms=0) as store:
        try:
            yield store
        except WorkerFailedError as error:
            raise ChildProcessError(str(error)) from error


@contextmanager
def replaying(
    store: PostgresStore, *, sort_log: bool
) -> Iterator[tuple[Progress, Progress | None]]:
    """Show how far a replay of the whole log has come; yields what it and the sorting advance by.

    Says so where the log had better be sorted.
    """
    events = store.recorder.max_notification_id() or 0
    if sort_log:
        titles = text("sorting the log"), text("replaying")
        with counting_each(events, *titles) as (sorting, advance):
            yield advance, sorting
        return
    log, cache = log_size(store)
    if log > cache:
        err.print(
            text(
                "The log has {log} and the server counts on {cache} of memory: with --sort-log "
                "this would take less time, and {log} of its disk until the end.",
                log=_gigabytes(log),
                cache=_gigabytes(cache),
            ),
            soft_wrap=True,
        )
    with counting(text("replaying"), events) as advance:
        yield advance, None


def _gigabytes(size: int) -> str:
    return text("{size:,.1f} GB", size=size / 1e9)


def read_or_ask(read: Callable[[Session], Any], method: str, **arguments: Any) -> Any:
    """Return what ``read`` does of the database, or without a login of it what an RPC returns."""
    if reads_database(ledger_log()):
        with opened_books() as stores:
            books = databases_of(stores, {method: lambda session, _: read(session)})
            return books.call(all_logs()[0], method, **arguments)
    with calls_to(ledger_log()) as ledger:
        return ledger.ask(method, **arguments)


Reads = Mapping[str, Callable[[Session, dict[str, Any]], Any]]
"""What methods of the ledger read, given their arguments."""


def databases_of(stores: Sequence[PostgresStore], reads: Reads) -> Any:
    """Return what calls these methods as a client of the RPCs would, in the books' databases."""
    return routed(_Databases(stores, reads), [store.service for store in stores[1:]])


class _Databases:
    """The books as a client of the RPCs has them, read in their databases."""

    def __init__(self, stores: Sequence[PostgresStore], reads: Reads) -> None:
        self._stores = {store.service: store for store in stores}
        self._reads: Reads = {"books": lambda session, _: rules_of(session), **reads}

    def call(self, service: str, method: str, **arguments: Any) -> Any:
        """Return what a method of a book does."""
        return self._stores[service].query(lambda session: self._reads[method](session, arguments))


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
