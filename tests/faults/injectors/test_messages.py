"""Doubled, diverted and damaged messages come to a queue of reactions, which goes on."""

from __future__ import annotations

import pytest

from tests.faults.injectors import messages
from tests.faults.injectors.small_house import Choosing, SmallHouse
from tests.faults.newcomers import Newcomer
from tests.waiting import eventually

pytestmark = pytest.mark.slow

QUEUE = ("notifications", "identity")
RECOVERY_S = 60.0


@pytest.fixture(autouse=True)
def _somebody_came_before(house: SmallHouse) -> None:
    Newcomer(house).is_served(RECOVERY_S)


def ready(house: SmallHouse, queue: str) -> int:
    """Return how many messages of a queue nobody has got yet."""
    with messages.administrator(house) as channel:
        return int(channel.queue_declare(queue, passive=True).message_count)


def test_doubled_messages_are_read_and_have_no_effect(house: SmallHouse) -> None:
    fault, guest = messages.DoubleMessages(), Newcomer(house)
    guest.is_served(RECOVERY_S)
    before = house.network.links["broker"].passed()["back"]
    words = fault.inject(house, Choosing(QUEUE))
    assert words.endswith("messages in notifications.from.identity")
    eventually(lambda: ready(house, "notifications.from.identity") == 0, "they are read")
    assert house.network.links["broker"].passed()["back"] > before
    Newcomer(house).is_served(RECOVERY_S)
    assert len(guest.letters()) == 1


def test_diverted_messages_come_late_in_any_order_and_all_take_effect(house: SmallHouse) -> None:
    fault, guests = messages.DivertMessages(), [Newcomer(house) for _ in range(4)]
    fault.inject(house, Choosing(QUEUE))
    assert [guest.asks() for guest in guests] == ["accepted"] * 4
    eventually(lambda: ready(house, "faults.notifications.from.identity") >= 4, "they are diverted")
    assert not any(guest.has_letter() for guest in guests)
    fault.heal(house)
    Newcomer(house).is_served(RECOVERY_S)
    for guest in guests:
        eventually(guest.has_letter, "the letter of a diverted message", RECOVERY_S)
        assert len(guest.letters()) == 1


def test_diverted_messages_that_are_lost_are_fetched(house: SmallHouse) -> None:
    fault, guest, aside = (
        messages.DivertMessages(),
        Newcomer(house),
        "faults.notifications.from.identity",
    )
    fault.inject(house, Choosing(QUEUE))
    assert guest.asks() == "accepted"
    eventually(lambda: ready(house, aside) >= 1, "it is diverted")
    with messages.administrator(house) as channel:
        channel.queue_delete(aside)
    fault.heal(house)
    Newcomer(house).is_served(RECOVERY_S)
    eventually(guest.has_letter, "the letter of a lost message", RECOVERY_S)
    assert len(guest.letters()) == 1


@pytest.mark.parametrize("damage", sorted(messages.DAMAGES))
def test_nobody_waits_for_a_damaged_message(house: SmallHouse, damage: str) -> None:
    fault = messages.DamagedMessages()
    words = fault.inject(house, Choosing(QUEUE, damage))
    assert words == f"put into notifications.from.identity: {damage}"
    Newcomer(house).is_served(RECOVERY_S)
    Newcomer(house).is_served(RECOVERY_S)
    assert "faults" not in house.rabbitmqctl("list_users")
