"""The run: load and trouble in rounds; after each, all is healed, awaited and checked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import recovery
from tests.faults.checker.check import check, extent, settle
from tests.faults.checker.findings import Finding
from tests.faults.checker.postings import banks_of
from tests.faults.house import READY_S, RunningHouse
from tests.faults.load.beliefs import Notebook
from tests.faults.load.town import Town
from tests.faults.operator import Operator
from tests.faults.recovery import Prober
from tests.faults.schedule import Plan, Step
from tests.faults.threads import beside
from tests.faults.trouble import Tell, Trouble

ROUND_S = 300.0
"""How long there is trouble before everything is checked."""
SETTLED_S = 60.0


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
        operator = Operator(house, notebook, tell)
        trouble = Trouble(house, folder / "steps.jsonl", tell, notebook, operator.recover)
        with beside(prober.run, lambda stop: _show(stop, trouble, notebook, show)):
            for until, own in rounds(steps, plan.seconds):
                with town.users():
                    trouble.play(own)
                    _wait_until(trouble.began + until)
                paused = time.monotonic()
                tell("the trouble is over; waiting until nothing is under way")
                operator.recover_again()
                judge(house, notebook.path, verdict, tell)
                verdict.recoveries = recovery.recoveries(trouble.kills, prober.outages)
                for line in recovery.told(verdict.recoveries):
                    tell(line)
                trouble.began += time.monotonic() - paused
    verdict.found += operator.found
    verdict.failed = [*town.failed, *trouble.failed]
    verdict.counts, verdict.made = notebook.counts, trouble.made
    notebook.close()
    return verdict


def rounds(steps: Sequence[Step], seconds: float) -> Iterator[tuple[float, list[Step]]]:
    """Yield the end of each round, in seconds of trouble, with the steps that begin in it."""
    number = max(1, round(seconds / ROUND_S))
    for one in range(number):
        since, until = seconds * one / number, seconds * (one + 1) / number
        yield until, [step for step in steps if since <= step.at < until]


def judge(house: RunningHouse, beliefs: Path, verdict: Verdict, tell: Tell) -> None:
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
    for rule, times in Counter(f"{one.invariant} {one.rule}" for one in new).items():
        tell(f"  {times} times {rule}")
    for bank in banks_of(house.environment):
        bank.clear_faults()


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
