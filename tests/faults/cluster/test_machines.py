"""One machine of each kind dies for good while people pay, and what they were told holds.

It takes minutes of a machine of its own: `make faults CLUSTER=tests`, or `SALDO_TEST_CLUSTER=1`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from deploy.cluster import packages
from deploy.cluster.network import POSTGRES
from deploy.embedded.install import MissingPrerequisite
from tests.faults.cluster.machines import KINDS, Machines, MachinesDieForGood, open_machines
from tests.faults.cluster.siege import Siege, besieged
from tests.faults.schedule import Step

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("SALDO_TEST_CLUSTER"), reason="takes long: make faults CLUSTER=tests"
    ),
]


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege[Machines]]:
    """One installation on machines for all of these tests: it takes a minute to start."""
    try:
        for find in (packages.etcd, packages.haproxy, packages.patroni):
            find()
    except MissingPrerequisite as missing:
        pytest.skip(str(missing))
    with besieged(tmp_path_factory.mktemp("siege"), open_machines()) as running:
        yield running


def test_house_goes_on_without_one_machine_of_each_kind(siege: Siege[Machines]) -> None:
    installation = siege.house.installation
    before = installation.leader()
    assert before is not None
    with siege.payers():
        siege.play(Step(at=0, fault=MachinesDieForGood.name, lasts=5, seed=1))
    stopped = set(installation.stopped())
    assert before in stopped
    assert siege.house.incomplete() == {name for kind in KINDS for name in kind}
    assert installation.leader() in set(POSTGRES) - {before}
    assert siege.epochs("ledger")[-1] == "promoted"
    verdict = siege.is_judged()
    assert verdict.failed == []
    assert verdict.found == []
    assert set(installation.stopped()) == stopped, "somebody has come back"


def test_machines_that_come_back_take_up_their_work(siege: Siege[Machines]) -> None:
    installation = siege.house.installation
    with siege.payers():
        siege.house.start_again(installation.stopped())
    assert installation.stopped() == []
    assert not installation.up(), "a second start has started something"
    verdict = siege.is_judged()
    assert verdict.failed == []
    assert verdict.found == []
