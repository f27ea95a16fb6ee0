"""The schedule: which fault comes when, drawn from a seed, written down, and played again.

A step has a seed of its own, so that it makes the same trouble when it is played again, whatever
else is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

import msgspec

from tests.faults.faults import Fault

PAUSE_S = (2.0, 9.0)
"""From the beginning of a fault to the next one's."""
AFTER_ALONE_S = 10.0
"""What a fault that comes alone needs before and after it."""
MOST_AT_ONCE = 2


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that begins `at` seconds after the start of the trouble, and `lasts` so long."""

    at: float
    fault: str
    lasts: float
    seed: int

    @property
    def ends(self) -> float:
        return self.at + self.lasts


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a run beside its steps: the seed of the load, its length, its residents, whether
    the nodes are clusters, and how many books the ledger has."""

    seed: int
    seconds: float
    people: int
    cluster: bool = False
    books: int = 1


def draw(seed: int, seconds: float, faults: Mapping[str, Fault]) -> list[Step]:
    """Return a schedule; at most two faults are in effect at once, of different kinds."""
    chance = Random(seed)  # noqa: S311 - no secret
    steps: list[Step] = []
    at = chance.uniform(*PAUSE_S)
    while True:
        name = chance.choice(sorted(faults))
        kind = faults[name]
        begins = _free(steps, name, at, faults)
        lasts = round(chance.uniform(*kind.lasts), 1)
        step = Step(
            at=round(begins + 0.05, 1), fault=name, lasts=lasts, seed=chance.randrange(1 << 32)
        )
        if step.ends > seconds:
            return steps
        steps.append(step)
        at = begins + chance.uniform(*PAUSE_S)


def _free(steps: Sequence[Step], name: str, at: float, faults: Mapping[str, Fault]) -> float:
    """Return from when on a fault may begin beside those that are drawn."""
    for step in steps:
        if faults[name].alone or faults[step.fault].alone:
            at = max(at, step.ends + AFTER_ALONE_S)
        elif step.fault == name:
            at = max(at, step.ends)
    while len(running := [step.ends for step in steps if step.ends > at]) >= MOST_AT_ONCE:
        at = min(running)
    return at


def write(path: Path, plan: Plan, steps: Iterable[Step]) -> None:
    """Write a run: the plan in the first line, then a step a line."""
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (plan, *steps)))


def read(path: Path, known: Collection[str]) -> tuple[Plan | None, list[Step]]:
    """Return the plan and the steps of a file; a run's own log of its steps has no plan.

    Raises ValueError for what is no such file, and for a fault that there is not.
    """
    plan: Plan | None = None
    steps: list[Step] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        is_plan = number == 1 and b'"fault"' not in line
        try:
            if is_plan:
                plan = msgspec.json.decode(line, type=Plan)
            else:
                steps.append(msgspec.json.decode(line, type=Step))
        except msgspec.DecodeError as error:
            what = "plan or step" if number == 1 else "step"
            raise ValueError(f"{path}, line {number} is no {what}: {error}") from None
    if unknown := {step.fault for step in steps} - set(known):
        raise ValueError(f"{path} names faults that there are not: {', '.join(sorted(unknown))}")
    return plan, sorted(steps, key=lambda step: step.at)
