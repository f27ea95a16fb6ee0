"""Staff: a clerk who answers questions and corrects bills, an operator who imports files, and a
bank's desk that gives money back."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Any
from uuid import uuid4

from deploy.demo.acquirer_page import PageError
from deploy.demo.charges import Bill
from deploy.demo.client import Problem
from deploy.embedded.books import books_in
from deploy.embedded.surroundings import REPOSITORY
from shared import context
from shared.books import book_of, is_book
from shared.errors import ServiceError, Unavailable
from shared.money import Kopecks
from shared.rpc.book_methods import routed
from shared.rpc.client import RpcClient
from tests.faults.load.beliefs import Command, Notebook
from tests.faults.thousand_orders.banks import Bank

TRIES = 4
DEADLINE_S = 8.0
AGAIN_S = 0.5
LARGEST = 20_00
CORRECTION_EVERY_S = (1.5, 4.0)
IMPORT_EVERY_S = (12.0, 25.0)
REFUND_EVERY_S = (4.0, 12.0)
WHOLE = 0.3
"""How many refunds are of all that is left."""
ROWS = 8
IMPORT_S = 120.0
REPEATED = 3
"""Each so many-th correction is sent twice under its key."""
KILLED = 0.15
"""How many of the imports are killed at first."""
DONE, SOME_REFUSED, NOTHING = 0, 1, 2

INTERNAL = 500

JUDGED_BY = ("SALDO_URL", "SALDO_DATABASE_URL", "SALDO_AMQP_URL", "SALDO_MAIL_DIR")
"""The variables without which an installation cannot be judged."""


def settings_in(file: Path) -> dict[str, str]:
    """Return the variables of a file that a shell sources, as `.saldo/env`."""
    words = shlex.split(file.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if "=" in word)


class InstallationError(Exception):
    """A file that is not that of an installation's variables; the text says why."""


def installation_in(file: Path) -> dict[str, str]:
    """Return the variables of an installation; raises InstallationError where some are missing."""
    try:
        found = settings_in(file)
    except ValueError as error:
        raise InstallationError(f"{file} is no file of shell variables: {error}") from None
    if missing := [name for name in JUDGED_BY if not found.get(name)]:
        raise InstallationError(
            f"{file} has no {', '.join(missing)}: it should be the env of an installation, "
            "which `make up` writes to .saldo/env"
        )
    return found


@dataclass
class Clerk:
    """Answers what was asked, and corrects bills, by RPC under a user of the broker."""

    settings: Mapping[str, str]
    bills: Sequence[Bill]
    questions: SimpleQueue[str]
    notebook: Notebook
    who: str = "clerk"

    def client(self, name: str) -> Any:
        """Return a client that calls the book of each account, as the terminals of staff do."""
        client = RpcClient(self.settings["SALDO_AMQP_URL"], name=name)
        return routed(client, books_in(self.settings))

    def answer(self, stop: threading.Event) -> None:
        """Answer questions until stopped, and those that are left."""
        with closing(self.client("clerk answers")) as client:
            while True:
                try:
                    question_id = self.questions.get(timeout=AGAIN_S)
                except Empty:
                    if stop.is_set():
                        return
                    continue
                self.answer_one(client, question_id)

    def answer_one(self, client: Any, question_id: str) -> None:
        """Answer a question."""
        text = f"Ответ {uuid4()}"
        about = {"question_id": question_id, "text": text}
        with self.notebook.about(self.who, "question.answer", **about) as command:
            asked = {"question": question_id, "text": text}
            self._command(client, command, "helpdesk", "answer", **asked)

    def correct(self, stop: threading.Event, chance: Random) -> None:
        """Correct a line of some bill again and again until stopped."""
        with closing(self.client("clerk corrects")) as client:
            while not stop.wait(chance.uniform(*CORRECTION_EVERY_S)):
                bill = chance.choice(self.bills)
                line = chance.randrange(len(bill.lines))
                amount = chance.choice((-1, 1)) * chance.randint(1, LARGEST)
                self.correct_one(client, bill, line, amount)

    def correct_one(self, client: Any, bill: Bill, line: int, amount: Kopecks) -> None:
        """Correct a line of a bill."""
        asked: dict[str, Any] = {
            "account": bill.account.number,
            "period": bill.period,
            "lines": [{"service": bill.lines[line].service.code, "amount": amount}],
            "reason": "faults",
            "key": str(uuid4()),
        }
        about = {"account": bill.account.number, "amount": amount, "key": asked["key"]}
        with self.notebook.about(self.who, "adjust", **about) as command:
            done = self._command(client, command, "ledger", "adjust", **asked)
            if amount % REPEATED == 0:
                done = self._command(client, command, "ledger", "adjust", **asked)
            command.learn(state=done["state"])

    def _command(
        self, client: Any, command: Command, service: str, method: str, **asked: Any
    ) -> dict[str, Any]:
        """Call until there is an answer; raises Problem for a refusal, Unavailable for none."""
        for attempt in range(1, TRIES + 1):
            try:
                with context.bind(correlation_id=command.id):
                    done: dict[str, Any] = client.call(
                        service, method, deadline=DEADLINE_S, **asked
                    )
            except Unavailable as silence:
                if attempt == TRIES:
                    raise Problem(503, silence.code, silence.message) from silence
                time.sleep(AGAIN_S * attempt)
            except ServiceError as refusal:
                status = INTERNAL if refusal.kind == "internal" else 409
                raise Problem(status, refusal.code, refusal.message) from refusal
            else:
                return done
        raise AssertionError("unreachable")


def kopecks_of(text: str) -> Kopecks:
    """Return a sum as a file has it: -12,34."""
    return int(text.replace(",", ""))


@dataclass
class Operator:
    """Imports files of adjustments by the staff command, which is killed now and then.

    A file has bills of one book of the ledger; `bills` are by its log.
    """

    settings_file: Path
    """Read before each command: it is written anew where a book has moved."""
    bills: Mapping[str, Sequence[Bill]]
    folder: Path
    notebook: Notebook
    who: str = "operator"
    _count: int = field(default=0)

    def run(self, stop: threading.Event, chance: Random) -> None:
        """Import one file after another until stopped."""
        while not stop.wait(chance.uniform(*IMPORT_EVERY_S)):
            self.import_one(chance)

    def import_one(self, chance: Random) -> None:
        """Write a file of adjustments, and import it."""
        self._count += 1
        path = self.folder / f"adjustments-{self._count}.csv"
        log = chance.choice(sorted(self.bills))
        rows = [self._row(self.bills[log], chance) for _ in range(ROWS)]
        rows.sort()
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(("account", "adjustment_id", "period", "service", "amount", "reason"))
            writer.writerows(rows)
        digest = sha256(path.read_bytes()).hexdigest()
        adjustments = [[row[1], row[0], kopecks_of(row[4])] for row in rows]
        about = {"digest": digest, "adjustments": adjustments}
        with self.notebook.about(self.who, "import", **about) as command:
            if chance.random() < KILLED:
                self._import(path, log, command.id, killed_after=chance.uniform(0.3, 2.0))
            self._until_answered(lambda: self._import(path, log, command.id))
        path.unlink()

    def _until_answered(self, run: Callable[[], tuple[int, str]]) -> None:
        for attempt in range(1, TRIES + 1):
            code, said = run()
            if code == DONE:
                return
            if code == SOME_REFUSED or attempt == TRIES:
                raise Problem(INTERNAL, f"exit_{code}", said[-300:])
            time.sleep(AGAIN_S * attempt)

    def _row(self, bills: Sequence[Bill], chance: Random) -> tuple[str, ...]:
        bill = chance.choice(bills)
        kopecks = chance.randint(1, LARGEST)
        amount = f"{chance.choice(('', '-'))}{kopecks // 100},{kopecks % 100:02d}"
        line = chance.choice(bill.lines)
        return (
            bill.account.number, str(uuid4()), bill.period, line.service.code, amount, "faults"
        )  # fmt: skip

    def _import(
        self, path: Path, log: str, correlation_id: str, killed_after: float = IMPORT_S
    ) -> tuple[int, str]:
        """Run the command; return its exit code (negative: it was killed) and its words."""
        settings = settings_in(self.settings_file)
        book = ("--book", book_of(log)) if is_book(log) else ()
        plain = {name: v for name, v in os.environ.items() if not name.startswith("SALDO_")}
        words = ("ledger", "import", str(path), *book, "--reason", f"faults {correlation_id}")
        with subprocess.Popen(
            [sys.executable, "-m", "services.cli", *words],
            cwd=REPOSITORY,
            env={**plain, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=killed_after)
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
        return process.returncode, said


@dataclass
class BankDesk:
    """Gives money back at the banks' own desks, a part of it or all, of payments of this load."""

    banks: Sequence[Bank]
    notebook: Notebook
    who: str = "bank's desk"

    def run(self, stop: threading.Event, chance: Random) -> None:
        """Give back now and then until stopped; a bank that is out of order is left alone."""
        while not stop.wait(chance.uniform(*REFUND_EVERY_S)):
            try:
                self.give_one_back(chance)
            except PageError:
                self.notebook.counts["a bank did not answer"] += 1

    def give_one_back(self, chance: Random) -> None:
        """Give back some of what some order was charged."""
        bank = chance.choice(self.banks)
        charged = [order for order in bank.orders().values() if order.money.kept > 1]
        if not charged:
            return
        order = chance.choice(charged)
        amount = None if chance.random() < WHOLE else chance.randint(1, order.money.kept - 1)
        done = bank.give_back(order, amount)
        self.notebook.note(self.who, "bank.refund", order=order.order_id, amount=amount, done=done)
