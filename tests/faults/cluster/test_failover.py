"""Nodes fail over while people register, and nothing that was acknowledged is lost.

A run takes minutes: each kind of node fails over once, and `make faults CLUSTER=1`
(`SALDO_TEST_CLUSTER=1`) tries the other ways. Times to recover are reported; what is judged is
three times the requirement, 15 s for PostgreSQL and 30 s for RabbitMQ.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

from shared.bus.topology import reaction_queue
from tests.faults.cluster import packages
from tests.faults.cluster.house import ClusterHouse, cluster_house
from tests.faults.cluster.postgresql import PostgresCluster
from tests.faults.cluster.rabbitmq import NAMES, RabbitmqCluster
from tests.faults.injectors.errors import TroubleError
from tests.faults.newcomers import Newcomer
from tests.waiting import eventually

pytestmark = pytest.mark.slow

POSTGRES_S = 45.0
RABBITMQ_S = 90.0
LETTER_S = 120.0
BETWEEN_S = 0.5

Measured = Callable[[str, object], None]
long = pytest.mark.skipif(
    not os.environ.get("SALDO_TEST_CLUSTER"), reason="takes long: make faults CLUSTER=1"
)


@pytest.fixture(autouse=True)
def _packages() -> None:
    try:
        packages.etcd()
        packages.patroni()
    except TroubleError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the system user of the nodes may enter, as he may not those of pytest."""
    place = packages.FOLDER.parent / "clusters"
    place.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=place))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


class Crowd(threading.Thread):
    """People who register one after the other, however often they must ask."""

    def __init__(self, house: ClusterHouse) -> None:
        super().__init__(daemon=True)
        self._house = house
        self._ended = threading.Event()
        self.accepted: list[tuple[float, Newcomer]] = []

    def run(self) -> None:
        while not self._ended.wait(BETWEEN_S):
            newcomer = Newcomer(self._house)
            if newcomer.asks() == "accepted":
                self.accepted.append((time.monotonic(), newcomer))

    def since(self, instant: float) -> list[Newcomer]:
        """Return who was accepted after an instant (of the monotonic clock)."""
        return [newcomer for at, newcomer in self.accepted if at > instant]

    def end(self) -> None:
        self._ended.set()
        self.join()


@contextmanager
def registering(house: ClusterHouse) -> Iterator[Crowd]:
    """Have people register for the length of a block; then each accepted one gets a letter."""
    crowd = Crowd(house)
    crowd.start()
    try:
        eventually(lambda: len(crowd.accepted) >= 3, "people register", 60)
        yield crowd
    finally:
        crowd.end()
    for _, newcomer in crowd.accepted:
        eventually(newcomer.has_letter, f"the letter to {newcomer.email}", LETTER_S)


def someone_is_served(crowd: Crowd, seconds: float) -> float:
    """Wait until somebody who asks now gets a letter; return how long it took."""
    began = time.monotonic()
    eventually(
        lambda: any(newcomer.has_letter() for newcomer in crowd.since(began)),
        "somebody who registers now gets a letter",
        seconds,
    )
    return time.monotonic() - began


def database_fails_over(
    folder: Path,
    trouble: Callable[[PostgresCluster, str], AbstractContextManager[None]],
    what: str,
    record_property: Measured,
) -> None:
    with cluster_house(folder / "saldo", database=PostgresCluster(folder / "postgres")) as house:
        cluster = house.database
        assert cluster is not None
        with registering(house) as crowd:
            leader = cluster.leader()
            assert leader is not None
            with trouble(cluster, leader):
                seconds = someone_is_served(crowd, POSTGRES_S)
                assert cluster.leader() != leader
            record_property("measured", f"PostgreSQL, {what}: served after {seconds:.1f} s")
            cluster.wait_until_whole()
            someone_is_served(crowd, POSTGRES_S)
        assert reasons(house) <= {"first", "promoted"}
        assert "promoted" in reasons(house)


def reasons(house: ClusterHouse) -> set[str]:
    """Return why epochs of the log of identity began."""
    with psycopg.connect(house.environment["SALDO_DATABASE_URL"]) as owner:
        return {row[0] for row in owner.execute("SELECT reason FROM identity.epochs")}


def test_follower_takes_over_from_a_killed_postgresql(
    folder: Path, record_property: Measured
) -> None:
    database_fails_over(folder, PostgresCluster.killed, "kill -9 of a host", record_property)


@long
def test_paused_postgresql_is_fenced_when_it_goes_on(
    folder: Path, record_property: Measured
) -> None:
    database_fails_over(folder, PostgresCluster.paused, "pause of a host", record_property)


@long
def test_postgresql_switches_over_in_order(folder: Path, record_property: Measured) -> None:
    @contextmanager
    def switched(cluster: PostgresCluster, leader: str) -> Iterator[None]:
        cluster.switch_over()
        yield

    database_fails_over(folder, switched, "switch over", record_property)


@long
def test_promotion_that_lost_a_tail_is_noticed(folder: Path, record_property: Measured) -> None:
    cluster = PostgresCluster(folder / "postgres", synchronous=False)
    with cluster_house(folder / "saldo", database=cluster) as house:
        crowd = Crowd(house)
        crowd.start()
        eventually(lambda: len(crowd.accepted) >= 3, "people register", 60)
        leader = cluster.leader()
        assert leader is not None
        with cluster.follower_behind():
            began = time.monotonic()
            eventually(
                lambda: any(one.has_letter() for one in crowd.since(began)),
                "somebody registers whom the follower never hears of",
                60,
            )
            lost = crowd.since(began)
            kill = cluster.killed(leader)
            kill.__enter__()
        try:
            killed = time.monotonic()
            eventually(lambda: cluster.leader() not in {None, leader}, "a promotion", POSTGRES_S)
            eventually(lambda: reader_of_identity(house), "the reader of ghosts says so", LETTER_S)
            seconds = time.monotonic() - killed
            record_property("measured", f"PostgreSQL, tail lost: noticed after {seconds:.1f} s")
        finally:
            kill.__exit__(None, None, None)
            crowd.end()
        assert lost
        assert reasons(house) & {"promoted", "tail_lost"}


def reader_of_identity(house: ClusterHouse) -> str:
    """Return why the reader of identity's events in notifications has stopped; empty: it has not.

    The database may be down.
    """
    try:
        with psycopg.connect(house.environment["SALDO_DATABASE_URL"], connect_timeout=5) as owner:
            row = owner.execute(
                "SELECT stopped FROM notifications.positions WHERE upstream = 'identity'"
            ).fetchone()
    except psycopg.OperationalError:
        return ""
    return str(row[0]) if row else ""


def test_two_go_on_without_a_killed_rabbitmq(folder: Path, record_property: Measured) -> None:
    def somebody_else(cluster: RabbitmqCluster) -> str:
        return next(name for name in NAMES if name != cluster.serving)

    broker_fails_over(folder, somebody_else, RabbitmqCluster.killed, "kill -9", record_property)


@long
@pytest.mark.parametrize(
    "queue", ["identity.stream", reaction_queue("notifications", "identity").name]
)
def test_two_go_on_without_the_leader_of_a_queue(
    folder: Path, queue: str, record_property: Measured
) -> None:
    def leader(cluster: RabbitmqCluster) -> str:
        return cluster.leader_of(queue)

    broker_fails_over(folder, leader, RabbitmqCluster.killed, f"leader of {queue}", record_property)


@long
def test_two_go_on_without_a_paused_rabbitmq(folder: Path, record_property: Measured) -> None:
    def serving(cluster: RabbitmqCluster) -> str:
        return cluster.serving

    broker_fails_over(folder, serving, RabbitmqCluster.paused, "pause", record_property)


def broker_fails_over(
    folder: Path,
    victim: Callable[[RabbitmqCluster], str],
    trouble: Callable[[RabbitmqCluster, str], AbstractContextManager[None]],
    what: str,
    record_property: Measured,
) -> None:
    with cluster_house(folder / "saldo", broker=RabbitmqCluster(folder / "rabbitmq")) as house:
        cluster = house.broker
        assert cluster is not None
        with registering(house) as crowd:
            with trouble(cluster, victim(cluster)):
                seconds = someone_is_served(crowd, RABBITMQ_S)
            record_property("measured", f"RabbitMQ, {what}: served after {seconds:.1f} s")
            cluster.wait_until_whole()
            someone_is_served(crowd, RABBITMQ_S)
