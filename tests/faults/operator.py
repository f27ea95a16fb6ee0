"""The operator: does after a restore what README.md says, while people go on."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field

from deploy.embedded.books import books_in
from deploy.embedded.surroundings import REPOSITORY
from shared.books import book_of, is_book, service_of, with_books
from shared.config import SERVICES
from tests.faults.checker.findings import Finding
from tests.faults.house import READY_S, RunningHouse
from tests.faults.load.beliefs import Notebook
from tests.faults.trouble import Tell

ORDER = ("payments", *(service for service in SERVICES if service != "payments"))
RECOVERED_S = 60.0
COMMAND_S = 300.0
AGAIN_S = 1.0
SAMPLE = 400
DONE, TO_DO_BY_STAFF = 0, 1


@dataclass
class Operator:
    """Calls `saldo SERVICE recover --apply` after each fault that has lost something."""

    house: RunningHouse
    notebook: Notebook
    tell: Tell
    found: list[Finding] = field(default_factory=list)
    """Recoveries that did not succeed in time."""
    _is_to_look_again: bool = False

    def recover(self) -> None:
        """Write down what a fault has lost, and recover every service, and every book."""
        if not self.house.losses:
            return
        while self.house.losses:
            since, until = self.house.losses.pop()
            self.notebook.note("schedule", "lost", since=since, until=until)
        self._recover()
        self._is_to_look_again = True

    def recover_again(self) -> None:
        """Recover, once all is healed, what could not be before, if anything was lost."""
        self.house.wait_until_ready(READY_S)
        self.recover()
        if self._is_to_look_again:
            self._recover()
            self._is_to_look_again = False

    def _recover(self) -> None:
        began = time.monotonic()
        self.house.wait_until_ready(READY_S)
        for log in with_books(ORDER, books_in(self.house.environment)):
            if said := _recover(log):
                self.found.append(Finding("I8", "recover", log, said))
        self.tell(f"recovered within {time.monotonic() - began:.0f} s")


def _recover(log: str) -> str:
    """Call the command until it has succeeded; return its last words where it does not in time."""
    book = ("--book", book_of(log)) if is_book(log) else ()
    words = (service_of(log), "recover", *book, "--apply", "--reason", "faults")
    ends = time.monotonic() + RECOVERED_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *words],
            cwd=REPOSITORY, check=False, text=True, timeout=COMMAND_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode in {DONE, TO_DO_BY_STAFF}:
            return ""
        if time.monotonic() > ends:
            return f"exit code {done.returncode}: {done.stdout[-SAMPLE:]}"
        time.sleep(AGAIN_S)
