"""A house on clusters under load: people pay, and others register and wait for a letter."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import psycopg
from msgspec.structs import replace
from psycopg import sql

import tests.faults.cluster.failovers  # noqa: F401 - registers them
from tests.faults.checker.findings import Finding
from tests.faults.cluster.house import ClusterHouse
from tests.faults.house import RunningHouse
from tests.faults.load.beliefs import Notebook
from tests.faults.load.journals import Got
from tests.faults.load.town import Town
from tests.faults.newcomers import Newcomer
from tests.faults.operator import Operator
from tests.faults.run import Verdict, judge
from tests.faults.schedule import Step
from tests.faults.threads import beside
from tests.faults.trouble import Trouble
from tests.waiting import eventually

SEED, PEOPLE = 13, 3
ASKERS = 3
"""So many ask at once: one who waits for an answer must not hide that others get theirs."""
STRIKES_S = 90.0
BETWEEN_S = 0.5
PAID_S = 120.0
PAID = "payment.card acknowledged"


class Crowd:
    """People who register one after the other, however often they must ask."""

    def __init__(self, house: ClusterHouse) -> None:
        self._house = house
        self.accepted: list[tuple[float, Newcomer]] = []

    def run(self, stop: threading.Event) -> None:
        """Register until stopped."""
        while not stop.wait(BETWEEN_S):
            newcomer = Newcomer(self._house)
            asked = time.monotonic()
            if newcomer.asks() == "accepted":
                self.accepted.append((asked, newcomer))

    def since(self, instant: float) -> list[Newcomer]:
        """Return who has asked after an instant (of the monotonic clock), and was accepted."""
        return [newcomer for at, newcomer in self.accepted if at > instant]


H = TypeVar("H", bound=RunningHouse)


class Siege(Generic[H]):
    """A house, the load, and what a checker says in the end."""

    def __init__(self, house: H, town: Town, notebook: Notebook) -> None:
        self.house = house
        self.notebook = notebook
        self._town = town
        self._known: list[Finding] = []
        self._operator = Operator(house, notebook, self._tell)
        log = notebook.path.with_name("steps.jsonl")
        self._trouble = Trouble(house, log, self._tell, notebook, self._operator.recover)

    @contextmanager
    def payers(self) -> Iterator[None]:
        """Let people pay for the length of a block, some before and some in its end."""
        with self._town.users():
            self.are_paid()
            yield
            self.are_paid()

    def are_paid(self, more: int = 3) -> None:
        """Wait until some more have entered their card, and were told that they have paid."""
        before = self.notebook.counts[PAID]
        eventually(
            lambda: self.notebook.counts[PAID] >= before + more, f"{more} people pay", PAID_S
        )

    def play(self, step: Step) -> None:
        """Make a step of a schedule now, and end it in its time."""
        self._trouble.play([replace(step, at=self._trouble.now)])

    def is_served_after(self: Siege[ClusterHouse], step: Step, within: float) -> float:
        """Make a step of a schedule, and end it in its time.

        Return the seconds from the blow until somebody who has asked since has a letter.
        """
        crowd, struck = Crowd(self.house), self.house.struck_at
        with beside(*[crowd.run] * ASKERS), ThreadPoolExecutor(1) as pool:
            eventually(lambda: len(crowd.accepted) >= ASKERS, "people register", PAID_S)
            step = replace(step, at=self._trouble.now)
            playing = pool.submit(self._trouble.play, [step])
            eventually(
                lambda: playing.done() or self.house.struck_at > struck, "it strikes", STRIKES_S
            )
            struck = self.house.struck_at
            eventually(
                lambda: any(one.has_letter() for one in crowd.since(struck)),
                f"somebody registers and gets a letter, after {step.fault}",
                within,
            )
            seconds = time.monotonic() - struck
            playing.result()
        return seconds

    def did(self) -> str:
        """Return what the last failover did, in words."""
        last = self.notebook.path.with_name("steps.jsonl").read_bytes().splitlines()[-1]
        return str(msgspec.json.decode(last)["did"])

    def is_judged(self) -> Verdict:
        """Return what the checker finds that it has not found before."""
        verdict = Verdict(found=list(self._known))
        self._operator.recover_again()
        judge(self.house, self.notebook.path, verdict, self._tell)
        new = verdict.found[len(self._known) :]
        self._known += new
        verdict.found = [*new, *self._operator.found]
        verdict.failed = [*self._town.failed, *self._trouble.failed]
        return verdict

    def _tell(self, line: str) -> None:
        print(line)  # noqa: T201 - seen where a test fails

    def epochs(self, service: str) -> list[str]:
        """Return why the epochs of a log began, in their order."""
        with psycopg.connect(self.house.environment["SALDO_DATABASE_URL"]) as owner:
            query = sql.SQL("SELECT reason FROM {}.epochs ORDER BY number")
            rows = owner.execute(query.format(sql.Identifier(service))).fetchall()
        return [row[0] for row in rows]

    def forgotten(self) -> int:
        """Return how often a subscriber has undone what a log has lost."""
        return sum(
            msgspec.json.decode(line, type=Got).how == "forgot"
            for file in self.notebook.path.parent.glob("subscriber-*.jsonl")
            for line in file.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        )


@contextmanager
def besieged(folder: Path, opened: AbstractContextManager[H]) -> Iterator[Siege[H]]:
    """Run a house, with people who have settled and subscribers who read."""
    with opened as house:
        notebook = Notebook(folder / "beliefs.jsonl")
        notebook.path.chmod(0o600)
        town = Town(house.environment, folder, notebook, SEED, PEOPLE)
        with town.readers():
            town.settle()
            yield Siege(house, town, notebook)
        notebook.close()
