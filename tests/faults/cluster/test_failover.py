"""Nodes fail over while people pay, and everything that they were told holds.

It takes many minutes of a machine of its own: `make faults CLUSTER=tests`, or
`SALDO_TEST_CLUSTER=1`. Times to recover are reported, for the whole way from a request to a letter;
what is judged is three times the requirement, 15 s for PostgreSQL and 30 s for RabbitMQ: the
machine is shared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from deploy.cluster import packages
from deploy.embedded.install import MissingPrerequisite
from shared.database import open_pool
from tests.faults.cluster.house import ClusterHouse, open_cluster_house
from tests.faults.cluster.postgresql import owner_url
from tests.faults.cluster.siege import Siege, besieged
from tests.faults.schedule import Step
from tests.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("SALDO_TEST_CLUSTER"), reason="takes long: make faults CLUSTER=tests"
    ),
]

POSTGRES_S = 45.0
RABBITMQ_S = 90.0
FENCED, UNFENCED = 1, 0
"""Seeds that draw whether there is fencing."""
SERVES, BESIDE, LEADS_RPC, LEADS_HISTORY = 1, 0, 6, 5
"""Seeds that draw which RabbitMQ it is."""

Measured = Callable[[str, object], None]


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege[ClusterHouse]]:
    """One house on clusters for all of these tests: it takes a minute to start."""
    try:
        packages.etcd()
        packages.patroni()
    except MissingPrerequisite as missing:
        pytest.skip(str(missing))
    with besieged(tmp_path_factory.mktemp("siege"), open_cluster_house()) as running:
        yield running


def fails_over(
    siege: Siege[ClusterHouse], step: Step, words: str, within: float, record_property: Measured
) -> None:
    """Make a failover while people pay; the seed of the step makes what the words say."""
    with siege.payers():
        seconds = siege.is_served_after(step, within)
    did = siege.did()
    record_property("measured", f"{did}: served after {seconds:.1f} s")
    assert did == words
    verdict = siege.is_judged()
    assert verdict.failed == []
    assert verdict.found == []


def test_payments_hold_when_the_host_of_postgresql_dies(
    siege: Siege[ClusterHouse], record_property: Measured
) -> None:
    before = siege.house.database.leader()
    step = Step(at=0, fault="kill_primary", lasts=15, seed=FENCED)
    words = "kill -9 the host of the primary"
    fails_over(siege, step, words, POSTGRES_S, record_property)
    assert siege.house.database.leader() != before
    assert siege.epochs("ledger")[-1] == "promoted"


def test_payments_hold_when_a_rabbitmq_dies(
    siege: Siege[ClusterHouse], record_property: Measured
) -> None:
    step = Step(at=0, fault="kill_broker_node", lasts=15, seed=SERVES)
    words = "kill -9 the RabbitMQ that serves"
    fails_over(siege, step, words, RABBITMQ_S, record_property)


@pytest.mark.parametrize(
    ("fault", "seed", "words"),
    [
        ("kill_primary", UNFENCED, "kill -9 the host of the primary, without fencing"),
        ("kill_postmaster", FENCED, "kill -9 the primary"),
        ("pause_primary", FENCED, "pause the host of the primary"),
        ("pause_primary", UNFENCED, "pause the host of the primary, without fencing"),
        ("cut_off_primary", FENCED, "cut the primary off from etcd and its follower"),
        (
            "cut_off_primary",
            UNFENCED,
            "cut the primary off from etcd and its follower, without fencing",
        ),
        ("switch_over", FENCED, "switch the primary over"),
    ],
)
def test_payments_hold_when_postgresql_fails_over(
    siege: Siege[ClusterHouse], fault: str, seed: int, words: str, record_property: Measured
) -> None:
    before = siege.house.database.leader()
    step = Step(at=0, fault=fault, lasts=35 if seed == UNFENCED else 15, seed=seed)
    fails_over(siege, step, words, POSTGRES_S, record_property)
    assert siege.house.database.leader() != before
    assert siege.epochs("ledger")[-1] == "promoted"


def test_url_with_both_servers_leads_to_the_new_primary(
    siege: Siege[ClusterHouse], record_property: Measured
) -> None:
    database = siege.house.database
    before = database.leader()
    assert before is not None

    def writes(pool: ConnectionPool[Any]) -> bool:
        try:
            with pool.connection() as connection:
                row = connection.execute("SELECT pg_is_in_recovery() AS follows").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and not row["follows"]

    with open_pool(owner_url(database, *database.ports.values()), "public") as pool:
        assert writes(pool)
        with database.killed(before):
            began = time.monotonic()
            eventually(lambda: not writes(pool), "the old primary is gone", POSTGRES_S)
            eventually(lambda: writes(pool), "the pool has found the new primary", POSTGRES_S)
            seconds = time.monotonic() - began
            assert database.leader() not in {None, before}
        database.wait_until_whole()
    record_property("measured", f"a pool with both servers in its URL: {seconds:.1f} s")


@pytest.mark.parametrize(
    ("fault", "seed", "words"),
    [
        ("kill_broker_node", BESIDE, "kill -9 a RabbitMQ beside the one that serves"),
        ("kill_broker_node", LEADS_RPC, "kill -9 the RabbitMQ that leads rpc-payments"),
        ("kill_broker_node", LEADS_HISTORY, "kill -9 the RabbitMQ that leads payments.stream"),
        ("pause_broker_node", SERVES, "pause the RabbitMQ that serves"),
        ("pause_broker_node", LEADS_HISTORY, "pause the RabbitMQ that leads payments.stream"),
        ("cut_off_broker_node", SERVES, "cut off the RabbitMQ that serves"),
        ("cut_off_broker_node", BESIDE, "cut off a RabbitMQ beside the one that serves"),
    ],
)
def test_payments_hold_when_a_rabbitmq_is_lost(
    siege: Siege[ClusterHouse], fault: str, seed: int, words: str, record_property: Measured
) -> None:
    step = Step(at=0, fault=fault, lasts=20, seed=seed)
    fails_over(siege, step, words, RABBITMQ_S, record_property)


def test_tail_that_a_promotion_lost_is_noticed_and_brought_back(
    siege: Siege[ClusterHouse], record_property: Measured
) -> None:
    """Every schema of a cluster loses the same tail: no reader is ahead of a log. What has left it
    tells: the streams, and subscribers."""
    before = siege.forgotten()
    step = Step(at=0, fault="lose_tail", lasts=5, seed=SERVES)
    words = "kill -9 the host of the primary, whose follower was behind: the tail is lost"
    fails_over(siege, step, words, 3 * POSTGRES_S, record_property)
    assert siege.epochs("payments")[-1] == "promoted"
    assert siege.forgotten() > before
