"""The run: load and trouble in rounds; after each, all is healed, awaited and checked."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import asdict

from deploy.embedded.environment import REPOSITORY
from tests.faults import recovery
from tests.faults.checker.check import check, extent, settle
from tests.faults.checker.findings import Finding
from tests.faults.checker.postings import banks_of
from tests.faults.faults import FAULTS
from tests.faults.house import RunningHouse
from tests.faults.load.beliefs import Notebook
from tests.faults.load.town import Town
from tests.faults.recovery import Prober
from tests.faults.schedule import AFTER_ALONE_S, MOST_AT_ONCE, Plan, Step
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
AGAIN_S = 2.0
MOST_TRIES = 30
"""A fault that another one keeps from being made or healed is tried for a minute."""

Tell = Callable[[str], None]


@dataclass
class Verdict:
    """What came of a run; it went well where nothing was found."""

    found: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """How often a client was told what: "payment.start acknowledged", ..."""
    made: Counter[str] = field(default_factory=Counter)
    """Faults by kind."""
    judged: Mapping[str, int] = field(default_factory=dict)
    """How much the checker has seen at the end."""
    settled_after: list[float] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    """Defects of the load, an injector or the harness: they make a verdict worthless."""


class Active(msgspec.Struct):
    """A fault that is in effect until `ends`, in seconds after the start of the trouble."""

    step: Step
    ends: float


@dataclass
class Trouble:
    """Makes the steps of a schedule, and ends each in its time.

    One that comes alone waits for what has taken longer than it was to. What another fault has kept
    from being made, or healed, is tried again.
    """

    house: RunningHouse
    log: Path
    tell: Tell
    notebook: Notebook
    began: float = field(default_factory=time.monotonic)
    active: dict[str, Active] = field(default_factory=dict)
    kills: list[tuple[float, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    _ended: float = -AFTER_ALONE_S
    _alone_ended: float = -AFTER_ALONE_S
    _again_at: float = 0.0
    _failures: Counter[Step] = field(default_factory=Counter)

    def play(self, steps: Sequence[Step], until: float) -> None:
        """Make the steps that begin before an end of the trouble, in seconds after its start."""
        waiting = [step for step in steps if step.at < until]
        while waiting or self.active:
            for name, active in list(self.active.items()):
                if active.ends <= self.now:
                    self._heal(name)
            if waiting and waiting[0].at <= self.now and self._is_free_for(waiting[0]):
                step = waiting.pop(0)
                if not self._inject(step):
                    waiting.insert(0, step)
            time.sleep(TICK_S)

    @property
    def now(self) -> float:
        """Return the seconds of trouble."""
        return time.monotonic() - self.began

    def _is_free_for(self, step: Step) -> bool:
        if step.fault in self.active or len(self.active) >= MOST_AT_ONCE:
            return False
        if self.now < max(self._alone_ended + AFTER_ALONE_S, self._again_at):
            return False
        if FAULTS[step.fault].alone:
            return not self.active and self.now >= self._ended + AFTER_ALONE_S
        return not any(FAULTS[name].alone for name in self.active)

    def _inject(self, step: Step) -> bool:
        """Make a fault; return False where it is to be tried again."""
        alone = not self.active
        active = self.active[step.fault] = Active(step, math.inf)
        at = time.monotonic()
        try:
            did = FAULTS[step.fault].inject(self.house, Random(step.seed))  # noqa: S311
        except Exception as error:  # noqa: BLE001 - told in the verdict, if it does not end
            self._heal(step.fault)
            return not self._is_tried_again(step, f"{step.fault} failed", error)
        if alone and did.startswith("kill -9 "):
            self.kills.append((at, did.removeprefix("kill -9 ")))
        active.ends = self.now + step.lasts
        self.made[step.fault] += 1
        self._write(did, step)
        return True

    def _heal(self, name: str) -> None:
        active = self.active[name]
        try:
            FAULTS[name].heal(self.house)
        except Exception as error:  # noqa: BLE001 - told in the verdict, if it does not end
            if self._is_tried_again(active.step, f"healing {name} failed", error):
                active.ends = self.now + AGAIN_S
                return
        del self.active[name]
        self._ended = self.now
        if FAULTS[name].alone:
            self._alone_ended = self.now
        self._write(f"{name} healed", active.step, ended=True)

    def _is_tried_again(self, step: Step, what: str, error: Exception) -> bool:
        """Count a failure; it is one of the harness where nothing has helped for a minute."""
        self._failures[step] += 1
        said = f"{what}: {type(error).__name__}: {error}"
        self.tell(f"{self.now:7.1f} s  {said}")
        if self._failures[step] < MOST_TRIES:
            self._again_at = self.now + AGAIN_S
            return True
        self.failed.append(said)
        return False

    def _write(self, did: str, step: Step, *, ended: bool = False) -> None:
        self.tell(f"{self.now:7.1f} s  {did}")
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
    verdict.counts, verdict.made = notebook.counts, trouble.made
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
    verdict.judged = extent(house.environment)
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
        made = trouble.made.total()
        show(
            f"{trouble.now:.0f} s · {counts['acknowledged']} acknowledged, "
            f"{counts['refused']} refused, {counts['unknown']} unknown · {made} faults · "
            f"{active}"
        )
