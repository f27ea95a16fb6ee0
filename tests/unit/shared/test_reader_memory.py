"""What a reader remembers of the events that it has applied."""

from __future__ import annotations

import pytest

from shared.bus import remembering
from shared.bus.reading import ReadPoint
from shared.bus.remembering import Memory, mark_of


def mark(number: int, **headers: str) -> remembering.Mark:
    return mark_of(
        {
            "saldo_epoch": "1",
            "cloudEvents_type": "payment_posted",
            "cloudEvents_time": "2026-11-01T10:00:00+00:00",
            "saldo_correlation_id": str(number),
            **headers,
        }
    )


def remembered(*positions: int, start: int = 0) -> Memory:
    memory = Memory()
    memory.begin_at(ReadPoint("1", start))
    for position in positions:
        memory.add({position: mark(position)}, ReadPoint("1", position))
    return memory


def test_versions_of_an_event_are_one_whatever_the_zone_of_its_time() -> None:
    again = {"cloudEvents_time": "2026-11-01T13:00:00+03:00", "cloudEvents_dataschema": "x/v2"}
    assert mark(1, **again) == mark(1)
    others = [{"saldo_epoch": "2.aaaaaaaa"}, {"cloudEvents_type": "x"}, {"cloudEvents_time": "x"}]
    assert mark(1) not in [mark(1, **other) for other in others]


def test_event_that_was_jumped_over_or_replaced_is_disputed() -> None:
    memory = remembered(4, 5, 9, start=3)
    assert [memory.disputes(position, mark(position)) for position in (3, 4, 5, 7, 9)] == [
        False, False, False, True, False,
    ]  # fmt: skip
    assert memory.disputes(5, mark(55))
    assert memory.below(7) == ("1", 5)
    assert memory.below(4) == ("1", 3)


def test_point_that_somebody_else_has_moved_begins_anew() -> None:
    memory = remembered(4, 5, start=3)
    memory.begin_at(ReadPoint("1", 5))
    assert memory.has(4, mark(4))
    memory.begin_at(ReadPoint("1", 3))
    assert not memory.has(4, mark(4))
    assert not memory.disputes(3, mark(33))


def test_events_after_a_point_gone_back_to_are_still_known() -> None:
    memory = remembered(4, 5, 9, start=3)
    memory.went_back("1", 5)
    memory.begin_at(ReadPoint("1", 5))
    assert memory.has(9, mark(9))
    assert memory.start_of(ReadPoint("1", 5)) == ("1", 3)


def test_memory_is_bounded_and_knows_from_where_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST", 3)
    memory = remembered(1, 3, 4, 7, 9)
    assert not memory.disputes(2, mark(2))
    assert memory.disputes(5, mark(5))
    assert memory.below(4) == ("1", 3)
