"""The run: load and trouble in rounds; after each, all is healed, awaited and checked."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import asdict

from deploy.embedded.environment import REPOSITORY
from tests.faults import recovery
from tests.faults.checker.check import check, settle
from tests.faults.checker.findings import Finding
from tests.faults.checker.postings import banks_of
from tests.faults.faults import FAULTS
from tests.faults.house import RunningHouse
from tests.faults.load.beliefs import Notebook
from tests.faults.load.town import Town
from tests.faults.recovery import Prober
from tests.faults.schedule import Plan, Step
from tests.faults.threads import beside

ROUND_S = 300.0
"""How long there is trouble before everything is checked."""
SETTLED_S = 60.0
READY_S = 120.0
RECOVERED_S = 60.0
COMMAND_S = 300.0
SAMPLE = 400
RECOVERY_ORDER = ("payments", "ledger", "identity", "accounts", "notifications", "helpdesk")
DONE, TO_DO_BY_STAFF = 0, 1
TICK_S = 0.1

Tell = Callable[[str], None]


@dataclass
class Verdict:
    """What came of a run; it went well where nothing was found."""

    found: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    settled_after: list[float] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    """Defects of the load, an injector or the harness: they make a verdict worthless."""


@dataclass
class Trouble:
    """Makes the steps of a schedule, and ends each in its time."""

    house: RunningHouse
    log: Path
    tell: Tell
    notebook: Notebook
    began: float = field(default_factory=time.monotonic)
    active: dict[str, Step] = field(default_factory=dict)
    kills: list[tuple[float, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    made: int = 0

    def play(self, steps: Sequence[Step], until: float) -> None:
        """Make the steps that begin before an end of the trouble, in seconds after its start."""
        waiting = [step for step in steps if step.at < until]
        while waiting or self.active:
            now = time.monotonic() - self.began
            for name, step in list(self.active.items()):
                if step.ends <= now:
                    self._heal(name)
            while waiting and waiting[0].at <= now and waiting[0].fault not in self.active:
                self._inject(waiting.pop(0))
            time.sleep(TICK_S)

    def heal(self) -> None:
        """End whatever is in effect."""
        for name in list(self.active):
            self._heal(name)

    def _inject(self, step: Step) -> None:
        alone = not self.active
        self.active[step.fault] = step
        self.made += 1
        at = time.monotonic()
        try:
            did = FAULTS[step.fault].inject(self.house, Random(step.seed))  # noqa: S311
        except Exception as error:  # noqa: BLE001 - told in the verdict
            did = f"{step.fault} failed: {type(error).__name__}: {error}"
            self.failed.append(did)
        if alone and did.startswith("kill -9 "):
            self.kills.append((at, did.removeprefix("kill -9 ")))
        self._write(did, step)

    def _heal(self, name: str) -> None:
        step = self.active[name]
        try:
            FAULTS[name].heal(self.house)
        except Exception as error:  # noqa: BLE001 - told in the verdict
            self.failed.append(f"healing {name} failed: {type(error).__name__}: {error}")
        del self.active[name]
        self._write(f"{name} healed", step, ended=True)

    def _write(self, did: str, step: Step, *, ended: bool = False) -> None:
        now = time.monotonic() - self.began
        self.tell(f"{now:7.1f} s  {did}")
        self.notebook.note("schedule", "fault", did=did)
        if not ended:
            with self.log.open("ab") as log:
                log.write(msgspec.json.encode({**asdict(step), "did": did}) + b"\n")


def run(
    house: RunningHouse,
    plan: Plan,
    steps: Sequence[Step],
    folder: Path,
    *,
    tell: Tell,
    show: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Put a load on the house, play the schedule in rounds, and check after each.

    `tell` gets lines, `show` what is to be seen of the progress, again and again.
    """
    notebook = Notebook(folder / "beliefs.jsonl")
    notebook.path.chmod(0o600)
    town = Town(house.environment, folder, notebook, plan.seed, plan.people)
    verdict = Verdict()
    with town.readers():
        town.settle()
        prober = Prober(house.environment, town.watcher())
        tell(f"{plan.people} residents have registered and linked their accounts")
        trouble = Trouble(house, folder / "steps.jsonl", tell, notebook)
        with beside(prober.run, lambda stop: _show(stop, trouble, notebook, show)):
            for until in _rounds(plan.seconds):
                with town.users():
                    trouble.play(steps, until)
                    _wait_until(trouble.began + until)
                paused = time.monotonic()
                tell("the trouble is over; waiting until nothing is under way")
                house.wait_until_ready(READY_S)
                _recover(house, notebook, verdict)
                _judge(house, notebook.path, verdict, tell)
                trouble.began += time.monotonic() - paused
    verdict.failed = [*town.failed, *trouble.failed]
    verdict.counts = dict(notebook.counts) | {"faults": trouble.made}
    verdict.recoveries = recovery.recoveries(trouble.kills, prober.outages)
    notebook.close()
    return verdict


def _rounds(seconds: float) -> list[float]:
    """Return the ends of the rounds, in seconds of trouble."""
    number = max(1, round(seconds / ROUND_S))
    return [seconds * (one + 1) / number for one in range(number)]


def _judge(house: RunningHouse, beliefs: Path, verdict: Verdict, tell: Tell) -> None:
    """End what the banks leave open, wait, check, and add what is found."""
    ready_after = house.wait_until_ready(READY_S)
    if ready_after is None:
        tell(f"not every process is ready after {READY_S:.0f} s")
    for bank in banks_of(house.environment):
        bank.clear_faults()
        bank.set_faults(end_sessions=True)
    after, left = settle(house.environment, beliefs, SETTLED_S)
    verdict.settled_after.append(after)
    tell(f"settled after {after:.0f} s, {len(left)} unresolved; checking")
    found = check(house.environment, beliefs)
    known = {one.key for one in verdict.found}
    new = [one for one in found if one.key not in known]
    verdict.found += new
    tell(f"{len(new)} violations in this round" if new else "no violation in this round")
    for bank in banks_of(house.environment):
        bank.clear_faults()


def _recover(house: RunningHouse, notebook: Notebook, verdict: Verdict) -> None:
    """Write down what faults have lost since the last round, and recover every service."""
    if not house.losses:
        return
    while house.losses:
        since, until = house.losses.pop()
        notebook.note("schedule", "lost", since=since, until=until)
    for service in RECOVERY_ORDER:
        if said := recover(service):
            verdict.found.append(Finding("I8", "recover", service, said))


def recover(service: str) -> str:
    """Do what an operator does after a restore: `saldo <service> recover --apply`.

    Return the end of what the command has said where it has not succeeded in time, else nothing.
    """
    words = ("recover", "--apply", "--reason", "faults")
    ends = time.monotonic() + RECOVERED_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", service, *words],
            cwd=REPOSITORY, check=False, text=True, timeout=COMMAND_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode in {DONE, TO_DO_BY_STAFF}:
            return ""
        if time.monotonic() > ends:
            return f"exit code {done.returncode}: {done.stdout[-SAMPLE:]}"
        time.sleep(1.0)


def _wait_until(moment: float) -> None:
    # The load goes on for the whole round, also when its last step has ended: no condition.
    time.sleep(max(0.0, moment - time.monotonic()))


def _show(
    stop: threading.Event, trouble: Trouble, notebook: Notebook, show: Callable[[str], None]
) -> None:
    while not stop.wait(1.0):
        counts = notebook.counts
        active = ", ".join(sorted(trouble.active)) or "no trouble"
        show(
            f"{time.monotonic() - trouble.began:.0f} s · {counts['acknowledged']} acknowledged, "
            f"{counts['refused']} refused, {counts['unknown']} unknown · {trouble.made} faults · "
            f"{active}"
        )
