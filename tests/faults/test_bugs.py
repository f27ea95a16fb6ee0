"""Each planted bug is found by the checker, and without a bug nothing is.

A run takes each third bug, the next third tomorrow: all of them take minutes.
`make faults BUGS=1` takes all, and so does SALDO_TEST_ALL_BUGS=1 here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.faults.bugs.catalogue import BUGS
from tests.faults.bugs.hunt import Hunt, open_hunt
from tests.faults.bugs.planting import planted_bugs
from tests.faults.bugs.scenarios import HARMLESS, SCENARIOS
from tests.faults.checker.check import CHECKS

PARTS = 3
PART = datetime.now(UTC).toordinal() % PARTS
CHOSEN = [
    name
    for place, name in enumerate(BUGS)
    if os.environ.get("SALDO_TEST_ALL_BUGS") or place % PARTS == PART
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hunt]:
    with open_hunt(tmp_path_factory.mktemp("hunt")) as hunt:
        yield hunt


@pytest.mark.slow
def test_nothing_is_found_without_a_bug(running: Hunt) -> None:
    assert running.play_without_bugs(HARMLESS) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_bug_is_found_by_its_invariant(running: Hunt, name: str) -> None:
    bug = BUGS[name]
    found = running.find(bug)
    assert bug.is_found_by(found), f"{name}: {found}"


def test_every_bug_is_planted_and_names_a_scenario_and_invariants() -> None:
    assert planted_bugs() == BUGS.keys() - {"event-is-changed-afterwards"}
    assert {bug.scenario for bug in BUGS.values()} <= SCENARIOS.keys()
    assert {one for bug in BUGS.values() for one in bug.found_by} <= CHECKS.keys()
    assert len(BUGS) >= 25
