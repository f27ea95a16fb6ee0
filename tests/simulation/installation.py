"""The ledger's side: a database, a terminal before it, and the ways in that are not files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row
from typer.testing import CliRunner

from deploy.embedded.environment import REPOSITORY
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.cli import app
from services.ledger.corrections import Correct, correct_within
from services.ledger.domain import Account, account_id
from services.ledger.domain.proposal import ReversePayment, WriteOffPenalty
from services.ledger.group_commit import ledger_group_commit
from shared import context
from shared.config import Settings
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from shared.money import MAX_AMOUNT
from tests.simulation.files import Book
from tests.simulation.reading import Row
from tests.simulation.reference_model import Books
from tests.simulation.scenario import roubles
from tests.simulation.steps import IMPORTED

CALLERS = 16
ONE_PERSON_MAY = "100000000,00"
"""Roubles: proposals and their approval are not what is tried here."""
BY_TERMINAL = 2
"""How many corrections of a step are said at the terminal; the rest call what it calls."""


class PayWithPurpose(msgspec.Struct, frozen=True, kw_only=True):
    """A payment whose payer named a month, or one sum for debt and penalty (``penalty`` None)."""

    number: str
    payment_id: UUID
    paid_on: date
    amount: int
    penalty: int | None
    period: str | None


def pay_with_purpose(session: Session, command: PayWithPurpose) -> None:
    """Post it, as the use case will for whoever takes such payments."""
    session.load(Account, account_id(command.number)).post_payment(
        command.payment_id,
        command.paid_on,
        command.amount,
        command.penalty,
        first=command.period,
    )


@dataclass
class Terminal:
    """Says ``saldo ledger ...`` in a process of its own, as staff do."""

    settings: Settings

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SALDO_AMQP_URL": "amqp://nobody:nothing@127.0.0.1:1/",
            "SALDO_SECRET": self.settings.secret.hex(),
            "SALDO_DATABASE_URL_LEDGER": self.settings.database_url_of("ledger"),
            "SALDO_LEDGER_APPROVAL_OVER": ONE_PERSON_MAY,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin to say it; whoever started the process waits for it, or kills it."""
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", "ledger", *words],
            cwd=REPOSITORY,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def says(self, *words: str) -> tuple[int, str, str]:
        """Say it; return the exit code, what it said, and what it complained about."""
        with self.start(*words) as process:
            out, err = process.communicate()
        return process.returncode, out, err

    def asks(self, *words: str) -> Any:
        """Say it with --json, and return what it says; exit code 0 is expected."""
        code, out, err = self.says(*words, "--json")
        if code:
            raise AssertionError(f"saldo ledger {' '.join(words)}: exit code {code}\n{out}\n{err}")
        return json.loads(out.splitlines()[-1])


class QuickTerminal(Terminal):
    """Says it within this process: the same verbs without the start of an interpreter each."""

    def says(self, *words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, list(words), env=self.environment())
        return result.exit_code, result.stdout, result.stderr


@dataclass
class Installation:
    """A ledger that takes a company's steps one after another."""

    settings: Settings
    store: PostgresStore
    terminal: Terminal

    def __post_init__(self) -> None:
        self._desk = ledger_group_commit(self.store)

    def take(self, book: Book) -> None:
        """Do a step: import its file, run what it names, post what it holds."""
        kind, step = book.step.kind, book.step
        if kind in IMPORTED:
            self._import(book)
        elif kind == "accrual":
            words = ("--on", step.day.isoformat(), "--actor", "petrov", "--reason", "month's end")
            self.terminal.asks("accrue", *words)
        elif kind == "payments":
            self._post_payments(book)
        else:
            correct = self._reverse if kind == "reversals" else self._write_off
            for place, row in enumerate(book.read()):
                correct(row, at_terminal=place < BY_TERMINAL)

    def _import(self, book: Book) -> None:
        if not book.totals.rows:
            return
        said = self.terminal.asks(
            *("import", str(book.path), "--actor", "ivanova", "--reason", f"step {book.step.name}"),
            *("--rows", str(book.totals.rows), "--entries", str(book.totals.entries)),
            *(f"--total={roubles(book.totals.amount)}",),
        )
        found = said["kind"], said["state"], said["counts"]["refused_rows"]
        assert found == (book.step.kind, "imported", 0), said
        counts = said["counts"]
        assert counts["entries"] + counts["unchanged"] == book.totals.entries, said

    def _post_payments(self, book: Book) -> None:
        by_account = (list(rows) for _, rows in groupby(book.read(), lambda row: row["account"]))
        with ThreadPoolExecutor(CALLERS) as pool:
            for batch in _batches(by_account, 2_000):
                for done in [pool.submit(self._post_in_turn, rows) for rows in batch]:
                    done.result()

    def _post_in_turn(self, rows: Sequence[Row]) -> None:
        for row in rows:
            payment_id, paid_on = UUID(row["payment_id"]), date.fromisoformat(row["paid_on"])
            amount, penalty = row["amount"], row["penalty"]
            handler: Callable[[Any, Any], Any] = pay_with_purpose
            command: Any = PayWithPurpose(
                number=row["account"],
                payment_id=payment_id,
                paid_on=paid_on,
                amount=amount,
                penalty=penalty,
                period=row["period"] or None,
            )
            if penalty is not None and not row["period"]:
                line = PaidLine(account=row["account"], amount=amount, penalty=penalty)
                command = PostPayment(payment_id=payment_id, paid_on=paid_on, lines=(line,))
                handler = post_payment
            with context.bind(command_id=new_id(), actor="service:payments"):
                self._desk.execute(handler, command)

    def _reverse(self, row: Row, *, at_terminal: bool) -> None:
        if at_terminal:
            said = self.terminal.asks(
                *("reverse", row["payment_id"], "--account", row["account"], "--on", row["on"]),
                *("--actor", "petrov", "--reason", "returned"),
            )
            assert said["state"] == "done", said
            return
        self._correct(
            ReversePayment(
                payment_id=UUID(row["payment_id"]),
                accounts=(row["account"],),
                effective_on=date.fromisoformat(row["on"]),
            )
        )

    def _write_off(self, row: Row, *, at_terminal: bool) -> None:
        if at_terminal:
            said = self.terminal.asks(
                *(
                    "write-off",
                    row["account"],
                    f"--amount={roubles(row['amount'])}",
                    "--on",
                    row["on"],
                ),
                *("--actor", "petrov", "--reason", "an act"),
            )
            assert said["state"] == "done", said
            return
        on = date.fromisoformat(row["on"])
        self._correct(
            WriteOffPenalty(account=row["account"], amount=row["amount"], effective_on=on)
        )

    def _correct(self, correction: Any) -> None:
        command = Correct(correction_id=new_id(), correction=correction, reason="an act")
        with context.bind(command_id=new_id(), actor="staff:petrov"):
            done = self.store.execute(correct_within(MAX_AMOUNT), command)
        assert done["state"] == "done", done

    # What the comparison asks of the database itself, past the ledger.

    def rows(self, query: str, *values: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query in the ledger's schema."""
        with (
            psycopg.connect(
                self.settings.database_url, row_factory=dict_row, options="-c search_path=ledger"
            ) as connection,
            connection.cursor("rows") as cursor,
        ):
            yield from cursor.execute(query, values)

    def balances_now(self) -> dict[str, Mapping[str, Any]]:
        """Account -> its row of the read model."""
        return {row["number"]: row for row in self.rows("SELECT * FROM balances")}

    def recorded_by(self, instant: datetime) -> dict[str, int]:
        """Account -> how many of its events were recorded by an instant."""
        query = (
            "SELECT b.number, count(*) AS events FROM events AS e "
            "JOIN balances AS b ON b.account_id = e.originator_id "
            "WHERE e.recorded_at <= %s GROUP BY 1"
        )
        return {row["number"]: row["events"] for row in self.rows(query, instant)}

    def span(self) -> tuple[datetime, datetime]:
        """When the first event was recorded, and when the last one."""
        [row] = self.rows("SELECT min(recorded_at) AS first, max(recorded_at) AS last FROM events")
        return row["first"], row["last"]


def open_items_of(books: Books) -> dict[str, Any]:
    """What a row of the read model should hold of an account."""
    return {
        "version": books.entries,
        "principal": books.principal,
        "penalty": books.penalty,
        "advance": books.advance,
        "open_items": books.open_items(),
    }


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
