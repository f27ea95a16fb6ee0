"""Failovers as faults: a node of a cluster dies, stands still, is cut off, or hands over.

Only a house on clusters has them. Each ends when the cluster is whole again, so that the next one
finds somebody who can take over.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from random import Random
from typing import Final, cast

from tests.faults.cluster.house import ClusterHouse
from tests.faults.cluster.postgresql import PostgresCluster
from tests.faults.cluster.rabbitmq import NAMES, RabbitmqCluster
from tests.faults.faults import FAULTS, House, fault
from tests.faults.injectors.errors import TroubleError
from tests.waiting import eventually

LEADS_S = 60.0
"""Within this somebody leads again, whatever happened to the one before."""
BEHIND_S = (2.0, 6.0)
"""For how long the follower hears nothing, before the leader dies."""
MOST_BEHIND_S = 1.0
"""So far a follower is behind that commits do not wait for, with nothing in its way."""
QUEUES: Final = ("rpc-payments", "ledger.from.payments", "payments.stream", "ledger.stream")
"""Whose leader is looked for: of requests, of reactions, of a history."""


class _Failover(ABC):
    """What failovers share: `_begin` makes trouble that ends with a stack."""

    name = ""
    lasts = (15.0, 40.0)
    alone = True

    def is_possible(self, house: House) -> bool:
        return isinstance(house, ClusterHouse)

    def inject(self, house: House, random: Random) -> str:
        if not isinstance(house, ClusterHouse):
            raise TroubleError("this house has no clusters")
        stack = ExitStack()
        house.notes[self.name] = stack
        return self._begin(house, stack, random)

    def heal(self, house: House) -> None:
        stack = cast("ExitStack | None", house.notes.pop(self.name, None))
        if stack is not None:
            stack.close()

    @abstractmethod
    def _begin(self, house: ClusterHouse, stack: ExitStack, random: Random) -> str:
        """Make the trouble, let the stack end it, and return what was done."""


class _OfPrimary(_Failover):
    """Something happens to the PostgreSQL that leads."""

    did = ""

    def _begin(self, house: ClusterHouse, stack: ExitStack, random: Random) -> str:
        database = house.database
        leader = _leader_of(database)
        fenced = self._fenced(random)
        if not fenced:
            stack.enter_context(database.unfenced())
        stack.callback(database.wait_until_whole)
        house.struck_at = time.monotonic()
        stack.enter_context(self._trouble(database, leader))
        return self.did if fenced else f"{self.did}, without fencing"

    def _fenced(self, random: Random) -> bool:
        """Return whether the operator has a device that switches a silent leader off."""
        return random.random() < 0.6

    @abstractmethod
    def _trouble(self, database: PostgresCluster, leader: str) -> AbstractContextManager[None]:
        """Return the trouble, which lasts as long as its block."""


@fault
class KillPrimary(_OfPrimary):
    """The host of the primary dies, with Patroni; it comes back as a follower."""

    name = "kill_primary"
    lasts = (30.0, 45.0)
    did = "kill -9 the host of the primary"

    def _trouble(self, database: PostgresCluster, leader: str) -> AbstractContextManager[None]:
        return database.killed(leader)


@fault
class KillPostmaster(_OfPrimary):
    """PostgreSQL alone dies on the primary, and its Patroni hands over."""

    name = "kill_postmaster"
    did = "kill -9 the primary"

    def _fenced(self, random: Random) -> bool:
        return True

    def _trouble(self, database: PostgresCluster, leader: str) -> AbstractContextManager[None]:
        return database.postmaster_killed(leader)


@fault
class PausePrimary(_OfPrimary):
    """The host of the primary stands still with all its connections; without fencing it goes on."""

    name = "pause_primary"
    lasts = (5.0, 45.0)
    did = "pause the host of the primary"

    def _trouble(self, database: PostgresCluster, leader: str) -> AbstractContextManager[None]:
        return database.paused(leader)


@fault
class CutOffPrimary(_OfPrimary):
    """The primary reaches neither etcd nor its follower; clients reach it still."""

    name = "cut_off_primary"
    lasts = (5.0, 45.0)
    did = "cut the primary off from etcd and its follower"

    def _trouble(self, database: PostgresCluster, leader: str) -> AbstractContextManager[None]:
        return database.cut_off(leader)


@fault
class SwitchOver(_Failover):
    """The primary hands over in order."""

    name = "switch_over"
    lasts = (5.0, 15.0)

    def _begin(self, house: ClusterHouse, stack: ExitStack, random: Random) -> str:
        stack.callback(house.database.wait_until_whole)
        house.struck_at = time.monotonic()
        house.database.switch_over()
        return "switch the primary over"


@fault
class LoseTail(_Failover):
    """A follower takes over that was behind: what it lacks is lost."""

    name = "lose_tail"
    lasts = (20.0, 40.0)

    def _begin(self, house: ClusterHouse, stack: ExitStack, random: Random) -> str:
        database = house.database
        leader = _leader_of(database)
        stack.callback(database.wait_until_whole)
        stack.enter_context(database.unsynchronised())
        with database.follower_behind():
            since = time.time() - MOST_BEHIND_S
            # As long as this, people are told of what will be lost: no condition.
            time.sleep(random.uniform(*BEHIND_S))
            house.struck_at = time.monotonic()
            stack.enter_context(database.killed(leader))
        eventually(lambda: database.leader() not in {None, leader}, "a promotion", LEADS_S)
        house.lost_since(since)
        return "kill -9 the host of the primary, whose follower was behind: the tail is lost"


class _OfBroker(_Failover):
    """Something happens to one RabbitMQ of three."""

    lasts = (10.0, 35.0)
    did = ""

    def _begin(self, house: ClusterHouse, stack: ExitStack, random: Random) -> str:
        broker = house.broker
        victim, why = self._victim(broker, random)
        stack.callback(broker.wait_until_whole)
        house.struck_at = time.monotonic()
        stack.enter_context(self._trouble(broker, victim))
        return f"{self.did} {why}"

    def _victim(self, broker: RabbitmqCluster, random: Random) -> tuple[str, str]:
        """Return a node and what it is: the one that serves, one beside, one that leads."""
        what = random.choice(("serves", "beside", "leads"))
        if what == "leads":
            queue = random.choice(QUEUES)
            return broker.leader_of(queue), f"the RabbitMQ that leads {queue}"
        if what == "serves":
            return broker.serving, "the RabbitMQ that serves"
        others = [name for name in NAMES if name != broker.serving]
        return random.choice(others), "a RabbitMQ beside the one that serves"

    @abstractmethod
    def _trouble(self, broker: RabbitmqCluster, victim: str) -> AbstractContextManager[None]:
        """Return the trouble, which lasts as long as its block."""


@fault
class KillBrokerNode(_OfBroker):
    """A RabbitMQ dies, and two go on."""

    name = "kill_broker_node"
    did = "kill -9"

    def _trouble(self, broker: RabbitmqCluster, victim: str) -> AbstractContextManager[None]:
        return broker.killed(victim)


@fault
class PauseBrokerNode(_OfBroker):
    """A RabbitMQ stands still with its connections, and two go on."""

    name = "pause_broker_node"
    did = "pause"

    def _trouble(self, broker: RabbitmqCluster, victim: str) -> AbstractContextManager[None]:
        return broker.paused(victim)


@fault
class CutOffBrokerNode(_OfBroker):
    """A RabbitMQ reaches no other: it serves nobody, and two go on."""

    name = "cut_off_broker_node"
    did = "cut off"

    def _trouble(self, broker: RabbitmqCluster, victim: str) -> AbstractContextManager[None]:
        return broker.cut_off(victim)


FAILOVERS: Final = frozenset(name for name, kind in FAULTS.items() if isinstance(kind, _Failover))
"""The names of these faults."""


def _leader_of(database: PostgresCluster) -> str:
    leader = eventually(database.leader, "somebody leads", LEADS_S)
    assert leader is not None
    return leader
