"""The installation under test: its database, its terminal, and commands outside files."""

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

from deploy.embedded.surroundings import REPOSITORY
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.cli import app
from services.ledger.corrections import Correct, correct
from services.ledger.domain.events import AdvanceSettled, PenaltyAccrued, PenaltyCorrected
from services.ledger.domain.proposal import ReversePayment, WriteOffPenalty
from services.ledger.group_commit import ledger_group_commit
from services.ledger.limits import ADJUST, CORRECTING, STAFF
from services.ledger.loading import load_account
from shared import context
from shared.config import Settings
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from tests.integration.ledger.sealed_ledger import KEYS
from tests.simulation.files import StepFile
from tests.simulation.reading import Row
from tests.simulation.reference_model import ModelAccount
from tests.simulation.scenario import roubles
from tests.simulation.steps import IMPORTED
from tests.staff_logins import OPERATOR
from tests.staff_terminal import grant, services_here, staff_amqp_url

NO_FACTS = [kind.topic for kind in (PenaltyAccrued, PenaltyCorrected, AdvanceSettled)]
"""What only books what the rules say."""
CALLERS = 16
CLERK = "petrov"
"""Who corrects, without a limit: approvals are not under test here."""
BY_TERMINAL = 2
"""How many corrections of a step go through the terminal; the rest call its use case."""


class PayWithPurpose(msgspec.Struct, frozen=True, kw_only=True):
    """A payment with a named month, or with one sum for debt and penalty (``penalty`` None)."""

    number: str
    payment_id: UUID
    paid_on: date
    amount: int
    penalty: int | None
    period: str | None


def pay_with_purpose(session: Session, command: PayWithPurpose) -> None:
    """Post such a payment, which no public use case does yet."""
    load_account(session, command.number).post_payment(
        command.payment_id,
        command.paid_on,
        command.amount,
        command.penalty,
        first=command.period,
    )


@dataclass
class Terminal:
    """Runs ``saldo ledger ...`` in a process of its own, as staff do."""

    settings: Settings

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SALDO_AMQP_URL": staff_amqp_url(CLERK),
            "SALDO_SECRET": self.settings.secret.hex(),
            "SALDO_LEDGER_SEAL_VERIFIER": str(KEYS.signer.verifier),
            "SALDO_DATABASE_URL_LEDGER": self.settings.database_url_of("ledger"),
            "SALDO_STAFF_DATABASE_URL": self.settings.staff_database_url,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command; the caller waits for the process, or kills it."""
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", "ledger", *words],
            cwd=REPOSITORY,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command; return the exit code, standard output and standard error."""
        with self.start(*words) as process:
            out, err = process.communicate()
        return process.returncode, out, err

    def run_json(self, *words: str) -> Any:
        """Run a command with --json and return its output; raises unless the exit code is 0."""
        code, out, err = self.run(*words, "--json")
        if code:
            raise AssertionError(f"saldo ledger {' '.join(words)}: exit code {code}\n{out}\n{err}")
        return json.loads(out.splitlines()[-1])


@dataclass
class QuickTerminal(Terminal):
    """Runs the same commands within this process, and so does the ledger that they call."""

    store: PostgresStore | None = None

    def run(self, *words: str) -> tuple[int, str, str]:
        with services_here({"ledger": self.store} if self.store else {}):
            result = CliRunner().invoke(app, list(words), env=self.environment())
        return result.exit_code, result.stdout, result.stderr


@dataclass
class Installation:
    """A ledger that applies a company's steps one after another."""

    settings: Settings
    store: PostgresStore
    terminal: Terminal

    def __post_init__(self) -> None:
        self._posting = ledger_group_commit(self.store)
        self._clerk = QuickTerminal(self.settings, self.store)
        for name, permissions in ((CLERK, CORRECTING), (OPERATOR.removeprefix(STAFF), (ADJUST,))):
            for permission in permissions:
                grant(self.settings, "ledger", name, permission, None)

    def apply(self, file: StepFile) -> None:
        """Apply a step: import its file, accrue penalties, or post its payments or corrections."""
        kind, step = file.step.kind, file.step
        if kind in IMPORTED:
            self._import(file)
        elif kind == "accrual":
            words = ("--on", step.day.isoformat(), "--reason", "month's end")
            self.terminal.run_json("accrue", *words)
        elif kind == "payments":
            self._post_payments(file)
        else:
            correct = self._reverse if kind == "reversals" else self._write_off
            for place, row in enumerate(file.read()):
                correct(row, at_terminal=place < BY_TERMINAL)

    def _import(self, file: StepFile) -> None:
        if not file.totals.rows:
            return
        done = self.terminal.run_json(
            *("import", str(file.path), "--reason", f"step {file.step.name}"),
            *("--rows", str(file.totals.rows), "--entries", str(file.totals.entries)),
            *(f"--total={roubles(file.totals.amount)}",),
        )
        found = done["kind"], done["state"], done["counts"]["refused_rows"]
        assert found == (file.step.kind, "imported", 0), done
        counts = done["counts"]
        assert counts["entries"] + counts["unchanged"] == file.totals.entries, done

    def _post_payments(self, file: StepFile) -> None:
        by_account = (list(rows) for _, rows in groupby(file.read(), lambda row: row["account"]))
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
                self._posting.execute(handler, command)

    def _reverse(self, row: Row, *, at_terminal: bool) -> None:
        if at_terminal:
            done = self._clerk.run_json(
                *("reverse", row["payment_id"], "--account", row["account"], "--on", row["on"]),
                *("--reason", "returned"),
            )
            assert done["state"] == "done", done
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
            done = self._clerk.run_json(
                *(
                    "write-off",
                    row["account"],
                    f"--amount={roubles(row['amount'])}",
                    "--on",
                    row["on"],
                ),
                *("--reason", "an act"),
            )
            assert done["state"] == "done", done
            return
        on = date.fromisoformat(row["on"])
        self._correct(
            WriteOffPenalty(account=row["account"], amount=row["amount"], effective_on=on)
        )

    def _correct(self, correction: Any) -> None:
        command = Correct(correction_id=new_id(), correction=correction, reason="an act")
        with context.bind(command_id=new_id(), actor=f"staff:{CLERK}"):
            done = self.store.execute(correct, command)
        assert done["state"] == "done", done

    # Direct queries of the database, for the comparison.

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
        """Return account -> its row of the read model."""
        return {row["number"]: row for row in self.rows("SELECT * FROM balances")}

    def recorded_by(self, instant: datetime) -> dict[str, int]:
        """Return account -> how many of its facts were recorded by an instant."""
        query = (
            "SELECT b.number, count(*) AS facts FROM events AS e "
            "JOIN balances AS b ON b.account_id = e.originator_id "
            "WHERE e.recorded_at <= %s AND NOT e.topic = ANY (%s) GROUP BY 1"
        )
        return {row["number"]: row["facts"] for row in self.rows(query, instant, NO_FACTS)}

    def recorded_between(self) -> tuple[datetime, datetime]:
        """Return when the first and the last event were recorded."""
        [row] = self.rows("SELECT min(recorded_at) AS first, max(recorded_at) AS last FROM events")
        return row["first"], row["last"]


def expected_row(account: ModelAccount) -> dict[str, Any]:
    """Return what the read model's row of an account should contain."""
    state = account.state()
    return {
        "principal": state.total,
        "penalty": state.owed,
        "advance": state.advance,
        "open_items": state.principal,
    }


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
