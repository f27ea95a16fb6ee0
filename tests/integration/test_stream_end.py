"""The end of the stream, as the relay reads it to compare the log with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Connection

from shared.bus.messages import EPOCH_HEADER, POSITION_HEADER, TIME_HEADER, Envelope
from shared.bus.principals import user_of
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.stream import Compare, Compared, Sent, last_sent
from shared.bus.topology import connect, declare_publishing, log_exchange
from shared.config import Settings

pytestmark = pytest.mark.usefixtures("clean_bus")

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
FIRST, SECOND = "1.00000001", "2.00000002"


@pytest.fixture
def broker(base_settings: Settings) -> Iterator[Connection]:
    """The connection of the ledger's relay."""
    url = base_settings.amqp_url_of("ledger")
    with connect(url, name="tests", heartbeat=0) as made:
        yield made


@pytest.fixture
def stream(broker: Connection, base_settings: Settings) -> None:
    declare_publishing(broker, "ledger", base_settings)


def time_of(position: int) -> datetime:
    return BEGAN + timedelta(seconds=position % 10**6)


def send(broker: Connection, epoch: str, *positions: int, **other: Any) -> None:
    """Publish events as a relay does."""
    user = user_of(broker.as_uri(include_password=True))
    publisher, tag = ConfirmedPublisher(broker.channel(), user), 0
    for position in positions:
        headers = {
            EPOCH_HEADER: epoch,
            POSITION_HEADER: position,
            TIME_HEADER: time_of(position).isoformat(),
            **other,
        }
        envelope = Envelope("payment_posted", headers, b"{}")
        tag = publisher.publish(log_exchange("ledger").name, envelope)
    publisher.wait_for(tag)


def nothing(sent: Sequence[Sent]) -> Compared:
    """Compare with a log that has been lost."""
    return Compared(set(), 10**8)


def log_of(*places: tuple[str, int]) -> Compare:
    """Compare with a log that has these events."""
    has = {Sent(epoch, position, time_of(position)) for epoch, position in places}
    return lambda sent: Compared(has & set(sent), 10**8)


def test_where_there_is_no_stream_or_nothing_in_it_there_is_nothing_to_compare(
    broker: Connection, base_settings: Settings
) -> None:
    assert last_sent(broker, "ledger", nothing) is None
    declare_publishing(broker, "ledger", base_settings)
    assert last_sent(broker, "ledger", nothing) is None


@pytest.mark.parametrize("count", [1, 3, 4_321])
def test_last_event_is_found_whatever_the_size_of_the_last_part(
    broker: Connection, stream: None, count: int
) -> None:
    send(broker, FIRST, *range(1, count + 1))
    assert last_sent(broker, "ledger", nothing) == Sent(FIRST, count, time_of(count))
    send(broker, FIRST, count + 1)
    assert last_sent(broker, "ledger", nothing) == Sent(FIRST, count + 1, time_of(count + 1))


def test_late_message_of_a_fenced_relay_is_not_the_last(broker: Connection, stream: None) -> None:
    send(broker, FIRST, 1, 2, 3)
    send(broker, SECOND, 3, 4)
    send(broker, FIRST, 4, 5)
    send(broker, FIRST, 1, 2)
    assert last_sent(broker, "ledger", nothing) == Sent(SECOND, 4, time_of(4))


def test_relay_that_was_killed_while_it_sent_its_windows_again_has_sent_them_before(
    broker: Connection, stream: None
) -> None:
    send(broker, FIRST, *range(1, 1_501))
    send(broker, FIRST, *range(501, 600))
    assert last_sent(broker, "ledger", nothing) == Sent(FIRST, 1_500, time_of(1_500))


def test_message_without_an_epoch_is_of_the_first_one(broker: Connection, stream: None) -> None:
    send(broker, FIRST, 7, **{EPOCH_HEADER: None})
    assert last_sent(broker, "ledger", nothing) == Sent("1", 7, time_of(7))


@pytest.mark.parametrize(
    "damage",
    [{POSITION_HEADER: "x"}, {TIME_HEADER: "yesterday"}, {TIME_HEADER: None}, {EPOCH_HEADER: "x"}],
)
def test_damaged_message_is_passed_over(
    broker: Connection, stream: None, damage: dict[str, Any]
) -> None:
    send(broker, FIRST, 1)
    send(broker, FIRST, 2, **damage)
    assert last_sent(broker, "ledger", nothing) == Sent(FIRST, 1, time_of(1))


def test_message_of_a_stranger_is_passed_over(
    broker: Connection, stream: None, base_settings: Settings
) -> None:
    send(broker, FIRST, 1)
    with connect(base_settings.amqp_url, name="stranger", heartbeat=0) as administrator:
        send(administrator, FIRST, 10**12)
    assert last_sent(broker, "ledger", nothing) == Sent(FIRST, 1, time_of(1))


def test_stream_that_may_not_be_read_is_nothing_to_compare_with(
    broker: Connection, stream: None, base_settings: Settings
) -> None:
    send(broker, FIRST, 1)
    with connect(base_settings.amqp_url_of("payments"), name="tests", heartbeat=0) as other:
        assert last_sent(other, "ledger", nothing) is None


FORGED = "9.deadbeef"


@pytest.mark.parametrize(("epoch", "position"), [(FORGED, 2), (FIRST, 10**6), (FIRST, 10**12)])
def test_message_that_the_log_went_on_after_is_not_the_last(
    broker: Connection, stream: None, epoch: str, position: int
) -> None:
    send(broker, FIRST, 1, 2)
    send(broker, epoch, position)
    send(broker, FIRST, 3, 4)
    log = log_of(*((FIRST, place) for place in range(1, 5)))
    assert last_sent(broker, "ledger", log) == Sent(FIRST, 4, time_of(4))


def test_position_that_no_log_gets_to_is_not_the_last(broker: Connection, stream: None) -> None:
    send(broker, FIRST, 1, 2, 10**12)
    log = log_of((FIRST, 1), (FIRST, 2))
    assert last_sent(broker, "ledger", log) == Sent(FIRST, 2, time_of(2))


def test_lost_end_is_the_last_though_older_messages_come_again_after_it(
    broker: Connection, stream: None
) -> None:
    send(broker, FIRST, 1, 2, 3, 4)
    send(broker, FIRST, 1, 2)
    log = log_of((FIRST, 1), (FIRST, 2))
    assert last_sent(broker, "ledger", log) == Sent(FIRST, 4, time_of(4))


def test_lost_epoch_of_another_line_is_the_last(broker: Connection, stream: None) -> None:
    """A copy of before that epoch was put back: the log has all of the epochs that it knows."""
    send(broker, FIRST, 1, 2)
    send(broker, SECOND, 3)
    send(broker, FIRST, 1, 2)
    log = log_of((FIRST, 1), (FIRST, 2))
    assert last_sent(broker, "ledger", log) == Sent(SECOND, 3, time_of(3))
