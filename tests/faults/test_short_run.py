"""A short run of the faults, the same in each run: load, kills, pauses, a cut network, a
restore from backup, a verdict.

`make faults` does so for as long as one likes, with a new seed each time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tests.faults.injectors  # noqa: F401 - registers the faults
from tests.faults import recovery
from tests.faults.faults import FAULTS
from tests.faults.house import open_house
from tests.faults.run import run
from tests.faults.schedule import Plan, draw

SEED, SECONDS, PEOPLE = 30, 51.0, 3
KINDS = ("kill", "pause", "cut_link", "double_messages", "restore_database")


@pytest.mark.slow
def test_everything_holds_after_a_short_run_of_trouble(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    lines: list[str] = [f"seed {SEED}"]
    with open_house(tmp_path / "saldo") as house:
        faults = {name: FAULTS[name] for name in KINDS}
        steps = draw(SEED, SECONDS, faults)
        plan = Plan(seed=SEED, seconds=SECONDS, people=PEOPLE)
        verdict = run(house, plan, steps, tmp_path, tell=lines.append)
    print(*lines, sep="\n")  # noqa: T201 - seen where the test fails
    record_property("measured", "; ".join(recovery.told(verdict.recoveries)))
    assert verdict.failed == []
    assert verdict.found == []
    assert {step.fault for step in steps} == set(KINDS)
    assert verdict.made.total() == len(steps)
    assert verdict.counts["payment.start acknowledged"] > 3
