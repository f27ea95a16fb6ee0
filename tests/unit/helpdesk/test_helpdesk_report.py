"""The report of the help desk: how much is answered, how soon, and what is late."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, cast
from unittest.mock import Mock

import pytest

from services.helpdesk.report import Reckoning, begun_within, read_from, report
from services.helpdesk.turns import TurnView
from services.helpdesk.verbs.report import bars
from shared import cooperation

ASKED = datetime(2026, 10, 1, 12, tzinfo=UTC)  # Thursday


def turn(**changes: Any) -> TurnView:
    fields: dict[str, Any] = {
        "department": "billing",
        "topic": "charges",
        "started_at": ASKED,
        "due_on": date(2026, 10, 15),
        "waited": 0,
        "answered_at": None,
        "closed_at": None,
        "waiting": False,
    }
    return TurnView(**fields | changes)


def answered(day: int, **changes: Any) -> TurnView:
    return turn(answered_at=datetime(2026, 10, day, 9, tzinfo=UTC), **changes)


def figures(helpdesk: Any, *turns: TurnView) -> dict[str, Any]:
    reckoning = Reckoning(helpdesk.calendar, helpdesk.clock)
    found: dict[str, Any] = report(turns, {}, reckoning, helpdesk.directory)["total"]
    return found


def test_half_and_ninety_per_cent_are_days_within_which_answers_came(helpdesk: Any) -> None:
    days = [1, 1, 2, 5, 6, 6, 7, 8, 9, 30]  # of October: 0, 0, 1, 2, 3, 3, 4, 5, 6, 21 working days
    found = figures(helpdesk, *map(answered, days))
    assert (found["asked"], found["answered"], found["in_time"]) == (10, 10, 9)
    assert (found["median"], found["ninety"]) == (3, 6)
    assert found["days"][:2] == [[0, 2], [1, 1]]


def test_days_on_which_the_person_was_waited_for_do_not_count(helpdesk: Any) -> None:
    assert figures(helpdesk, answered(8, waited=4))["days"] == [[1, 1]]
    assert figures(helpdesk, answered(2, waited=4))["days"] == [[0, 1]]


def test_unanswered_questions_are_waiting_overdue_or_neither(helpdesk: Any) -> None:
    found = figures(
        helpdesk,
        turn(),  # due before today, 10 November
        turn(waiting=True),
        turn(due_on=date(2026, 11, 10)),
        turn(closed_at=ASKED),
    )
    assert (found["asked"], found["answered"]) == (4, 0)
    assert (found["waiting"], found["overdue"]) == (1, 1)
    assert (found["median"], found["ninety"]) == (None, None)


def test_the_report_adds_up(helpdesk: Any) -> None:
    turns = [answered(2), turn(), answered(5, topic="penalty"), turn(department="service")]
    unseen = {("billing", "charges"): 2, ("metering", "meters"): 1}
    reckoning = Reckoning(helpdesk.calendar, helpdesk.clock)
    found = report(turns, unseen, reckoning, helpdesk.directory)
    departments = found["departments"]
    assert [each["department"] for each in departments] == ["billing", "metering", "service"]
    assert [each["topic"] for each in departments[0]["topics"]] == ["charges", "penalty"]
    assert departments[0]["title_en"] == "Billing"
    for name in ("asked", "answered", "in_time", "waiting", "overdue", "unseen"):
        assert found["total"][name] == sum(each[name] for each in departments)
        for each in departments:
            assert each[name] == sum(topic[name] for topic in each["topics"])


def test_each_turn_is_reckoned_once_and_others_run_meanwhile(
    helpdesk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned, switched = [], []
    calendar = helpdesk.calendar
    between = Mock(side_effect=lambda *days: reckoned.append(days) or calendar.between(*days))
    monkeypatch.setattr(cooperation, "SLICE_SECONDS", 0)
    cooperation.set_switch(lambda: switched.append(True))
    try:
        reckoning = Reckoning(cast(Any, Mock(between=between)), helpdesk.clock)
        report([answered(2)] * 100, {}, reckoning, helpdesk.directory)
    finally:
        cooperation.set_switch(None)
    assert len(reckoned) == 100
    assert switched


def test_a_day_of_the_report_is_one_of_the_utility(helpdesk: Any) -> None:
    late = turn(started_at=datetime(2026, 9, 30, 21, 30, tzinfo=UTC))  # 1 October in Moscow
    first = date(2026, 10, 1)
    assert late.started_at >= read_from(first)
    assert list(begun_within([late], helpdesk.clock, first, first)) == [late]
    assert not list(begun_within([late], helpdesk.clock, date(2026, 9, 1), date(2026, 9, 30)))


def test_a_bar_is_as_long_as_its_answers_are_many() -> None:
    lines = list(bars([(0, 400), (7, 200), (11, 1)]))
    assert [line.count("█") for line in lines] == [40, 20, 1]
    assert lines[0].startswith(" 0 █")
    assert lines[2] == "11 █ 1"
