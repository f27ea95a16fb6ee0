"""The epochs of a log: what it has, who fits, and where lines part."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.bus.epochs import Epoch, LogHistory, as_wire, from_wire
from shared.bus.history import check_place
from shared.bus.messages import EPOCH_HEADER, Publication, envelope, event_id, read_message
from shared.errors import Conflict
from shared.eventstore import Event, Recorded

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def history(*epochs: tuple[str, int], head: int) -> LogHistory:
    return LogHistory(tuple(Epoch(name, after, BEGAN, "x") for name, after in epochs), head)


LOST_AFTER_80 = history(("1", 0), ("2.bbbbbbbb", 80), head=120)


def test_epoch_ends_where_the_next_begins() -> None:
    assert LOST_AFTER_80.end_of("1") == 80
    assert LOST_AFTER_80.end_of("2.bbbbbbbb") == 120
    assert LOST_AFTER_80.end_of("2.aaaaaaaa") is None
    assert LOST_AFTER_80.current.name == "2.bbbbbbbb"


@pytest.mark.parametrize(
    ("epoch", "position", "there"),
    [
        ("1", 80, True),
        ("1", 81, False),
        ("1", 0, False),
        ("2.bbbbbbbb", 80, False),
        ("2.bbbbbbbb", 81, True),
        ("2.bbbbbbbb", 121, False),
        ("2.aaaaaaaa", 50, False),
    ],
)
def test_log_has_an_event_of_its_own_line_alone(epoch: str, position: int, there: bool) -> None:
    assert LOST_AFTER_80.has(epoch, position) is there


@pytest.mark.parametrize(
    ("epoch", "position", "fits", "fork"),
    [
        ("1", 80, True, 80),
        ("1", 100, False, 80),
        ("", 80, True, 80),
        ("", 100, False, 80),
        ("2.bbbbbbbb", 120, True, 120),
        ("2.bbbbbbbb", 121, False, 57),
        ("2.bbbbbbbb", 1_000, False, 120),
        ("2.aaaaaaaa", 50, False, 0),
        ("2.aaaaaaaa", 0, True, 0),
    ],
)
def test_reader_fits_who_has_read_nothing_that_was_lost(
    epoch: str, position: int, fits: bool, fork: int
) -> None:
    assert LOST_AFTER_80.fits(epoch, position) is fits
    assert LOST_AFTER_80.fork_of(epoch, position) == fork


def test_reader_beyond_the_head_of_the_current_epoch_has_skipped_events() -> None:
    """The log has lost nothing: what it has now, or gets later, was jumped over."""
    short = history(("1", 0), head=12)
    assert [short.fork_of(name, 13) for name in ("", "1")] == [0, 0]


def test_positions_belong_to_the_epoch_that_gave_them() -> None:
    names = [LOST_AFTER_80.epoch_at(position).name for position in (0, 1, 80, 81, 500)]
    assert names == ["1", "1", "1", "2.bbbbbbbb", "2.bbbbbbbb"]


def test_log_restored_without_its_epochs_ends_them_at_its_end() -> None:
    """The table of events alone was put back: later epochs begin above its end."""
    restored = history(("1", 0), ("2.bbbbbbbb", 80), ("3.cccccccc", 60), head=70)
    assert [restored.end_of(epoch.name) for epoch in restored.epochs] == [60, 60, 70]
    assert not restored.has("1", 61)
    assert not restored.has("2.bbbbbbbb", 81)
    assert restored.epoch_at(61).name == "3.cccccccc"


def test_two_lines_part_where_their_epochs_differ() -> None:
    other = history(("1", 0), ("2.aaaaaaaa", 90), head=95)
    assert LOST_AFTER_80.shared_with(other) == 80
    assert other.shared_with(LOST_AFTER_80) == 80
    assert LOST_AFTER_80.shared_with(history(("1", 0), head=40)) == 40
    assert LOST_AFTER_80.shared_with(history(("1.dddddddd", 0), head=40)) == 0


def test_history_travels_as_json() -> None:
    assert from_wire(json.loads(json.dumps(as_wire(LOST_AFTER_80)))) == LOST_AFTER_80
    with pytest.raises(ValueError, match="at least one"):
        from_wire({"epochs": [], "head": 1})


def test_reader_that_does_not_fit_is_told_where_to_go_on() -> None:
    check_place(LOST_AFTER_80, "1", 80)
    with pytest.raises(Conflict) as refused:
        check_place(LOST_AFTER_80, "1", 100)
    assert refused.value.code == "position_not_in_log"
    assert refused.value.params == {
        "epoch": "1",
        "position": 100,
        "fork": 80,
        "fork_epoch": "1",
        "current": "2.bbbbbbbb",
        "head": 120,
    }


def test_events_of_two_lines_have_different_ids() -> None:
    assert event_id("ledger", "1", 7) == "ledger-7"
    assert event_id("ledger", "2.bbbbbbbb", 7) == "ledger-2.bbbbbbbb-7"


def test_message_says_its_epoch_and_old_ones_are_of_the_first() -> None:
    class Happened(Event, frozen=True, kw_only=True):
        topic = "ledger.happened_in_an_epoch.v1"

    recorded = Recorded(
        originator_id=UUID(int=1),
        originator_version=1,
        position=81,
        recorded_at=BEGAN,
        command_id=UUID(int=2),
        actor="service:ledger",
        correlation_id="journey",
        event=Happened(),
    )
    sent = envelope("ledger", recorded, Publication("happened", "s", {}), 80, "2.bbbbbbbb")
    message = read_message(sent.headers, sent.body)
    assert (message.epoch, message.id) == ("2.bbbbbbbb", "ledger-2.bbbbbbbb-81")
    old = {name: value for name, value in sent.headers.items() if name != EPOCH_HEADER}
    assert read_message(old, sent.body).epoch == "1"
