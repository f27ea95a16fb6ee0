"""Alarms block publishers, and restores take back what was acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

from tests.faults.injectors import alarms, restores
from tests.faults.injectors.small_house import Choosing, SmallHouse
from tests.faults.newcomers import Newcomer

pytestmark = pytest.mark.slow

RECOVERY_S = 90.0
REGISTRATIONS = "SELECT count(*) FROM identity.events"


def events(house: SmallHouse) -> int:
    """Return how many events the log of identity has."""
    with psycopg.connect(house.environment["SALDO_DATABASE_URL"]) as owner:
        row = owner.execute(REGISTRATIONS).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_alarm_of_the_broker_blocks_publishers_until_it_is_healed(
    house: SmallHouse, kind: str, record_property: Callable[[str, object], None]
) -> None:
    Newcomer(house).is_served(RECOVERY_S)
    fault, waiting = alarms.BrokerAlarm(), Newcomer(house)
    assert fault.inject(house, Choosing(kind)) == f"an alarm of RabbitMQ: {kind}"
    assert f"{kind}".capitalize() in house.rabbitmqctl("status")
    answer = waiting.asks()
    assert answer == "outage" or answer.startswith("503 ")
    fault.heal(house)
    seconds = house.recovers(RECOVERY_S)
    record_property("measured", f"ready after an alarm of {kind}: {seconds:.1f} s")
    waiting.is_served(RECOVERY_S)


@pytest.mark.parametrize("stops", [True, False])
def test_restored_database_has_what_was_there_at_the_backup_and_goes_on(
    house: SmallHouse, stops: bool, record_property: Callable[[str, object], None]
) -> None:
    Newcomer(house).is_served(RECOVERY_S)
    before, began = events(house), time.time()
    fault = restores.RestoreDatabase()
    fault.inject(house, Choosing(stops))
    assert events(house) == before
    Newcomer(house).is_served(RECOVERY_S)
    assert events(house) > before
    house.lost.clear()
    fault.heal(house)
    assert [began < instant < time.time() for instant in house.lost] == [True]
    assert events(house) == before
    seconds = house.recovers(RECOVERY_S)
    record_property("measured", f"ready after a restore of PostgreSQL: {seconds:.1f} s")


def test_broker_that_is_put_back_sends_again_and_goes_on(
    house: SmallHouse, record_property: Callable[[str, object], None]
) -> None:
    fault, guest = restores.RestoreBroker(), Newcomer(house)
    fault.inject(house, Choosing())
    guest.is_served(RECOVERY_S)
    fault.heal(house)
    seconds = house.recovers(RECOVERY_S)
    record_property("measured", f"ready after a restore of RabbitMQ: {seconds:.1f} s")
    Newcomer(house).is_served(RECOVERY_S)
    assert len(guest.letters()) == 1


def test_emptied_broker_is_made_ready_again_and_nothing_is_lost(
    house: SmallHouse, record_property: Callable[[str, object], None]
) -> None:
    fault, waiting = restores.EmptyBroker(), Newcomer(house)
    before = house.rabbitmqctl("list_users")
    fault.inject(house, Choosing())
    restores.wait_for_node(house, "rabbitmq")
    assert "ledger" not in house.rabbitmqctl("list_users")
    answer = waiting.asks()
    assert answer == "outage" or answer.startswith("503 ")
    fault.heal(house)
    after = house.rabbitmqctl("list_users")
    assert sorted(after.splitlines()) == sorted(before.splitlines())
    assert "staff.clerk" in after
    seconds = house.recovers(RECOVERY_S)
    record_property("measured", f"ready with an emptied RabbitMQ: {seconds:.1f} s")
    waiting.is_served(RECOVERY_S)
