"""How soon questions are answered, by department and topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

from services.helpdesk.departments import Directory
from services.helpdesk.turns import TurnView
from shared.clock import Clock
from shared.working_days import WorkingDays


class Reckoning:
    """Counts turns; a turn that staff closed without an answer is in ``asked`` alone."""

    def __init__(self, calendar: WorkingDays, clock: Clock) -> None:
        self._calendar = calendar
        self._clock = clock

    def figures(self, turns: Sequence[TurnView]) -> dict[str, Any]:
        """Return the counts of turns, and within how many working days they were answered.

        ``median`` and ``ninety`` are the days within which half and 90 % of the answers came, None
        without answers; ``days`` counts the answers by days.
        """
        taken = Counter(self.days_taken(turn) for turn in turns if turn.answered_at)
        unanswered = [turn for turn in turns if not turn.answered_at and not turn.closed_at]
        late = [turn for turn in unanswered if not turn.waiting and self._is_late(turn)]
        return {
            "asked": len(turns),
            "answered": taken.total(),
            "in_time": sum(self._in_time(turn) for turn in turns),
            "waiting": sum(turn.waiting for turn in unanswered),
            "overdue": len(late),
            "median": _within(taken, 0.5),
            "ninety": _within(taken, 0.9),
            "days": [[days, taken[days]] for days in sorted(taken)],
        }

    def days_taken(self, turn: TurnView) -> int:
        """Return how many working days an answer took, those aside that staff waited for it."""
        if turn.answered_at is None:
            raise ValueError("a turn without an answer")
        first, last = (self._clock.day_of(at) for at in (turn.started_at, turn.answered_at))
        return max(0, self._calendar.between(first, last) - turn.waited)

    def _in_time(self, turn: TurnView) -> bool:
        return turn.answered_at is not None and self._clock.day_of(turn.answered_at) <= turn.due_on

    def _is_late(self, turn: TurnView) -> bool:
        return turn.due_on < self._clock.today()


def report(
    turns: Sequence[TurnView],
    unseen: Mapping[tuple[str, str], int],
    reckoning: Reckoning,
    directory: Directory,
) -> dict[str, Any]:
    """Return ``{total, departments: [{..., topics: [...]}]}``, each with its figures.

    ``unseen`` are the messages that no staff has opened, by department and topic.
    """
    groups: dict[tuple[str, str], list[TurnView]] = {group: [] for group in unseen}
    for turn in turns:
        groups.setdefault((turn.department, turn.topic), []).append(turn)
    departments = sorted({department for department, _ in groups})
    return {
        "total": {**reckoning.figures(turns), "unseen": sum(unseen.values())},
        "departments": [
            {
                "department": department,
                **_titles(directory.department_title(department)),
                **reckoning.figures([turn for turn in turns if turn.department == department]),
                "unseen": sum(count for group, count in unseen.items() if group[0] == department),
                "topics": [
                    {
                        "topic": topic,
                        **_titles(directory.topic_title(topic)),
                        **reckoning.figures(of_topic),
                        "unseen": unseen.get((department, topic), 0),
                    }
                    for (of_department, topic), of_topic in sorted(groups.items())
                    if of_department == department
                ],
            }
            for department in departments
        ],
    }


def begun_within(
    turns: Iterable[TurnView], clock: Clock, first: date, last: date
) -> list[TurnView]:
    """Return the turns that began from one day to another, both included."""
    return [turn for turn in turns if first <= clock.day_of(turn.started_at) <= last]


def read_from(first: date) -> datetime:
    """Return an instant from which on every turn of a day began, in whatever zone."""
    return datetime.combine(first, time(), UTC) - timedelta(days=1)


def _titles(title: Any) -> dict[str, str]:
    return {"title": title.ru, "title_en": title.en}


def _within(taken: Counter[int], share: float) -> int | None:
    """Return the least number of days within which a share of the answers came."""
    needed, reached = ceil(taken.total() * share), 0
    for days in sorted(taken):
        reached += taken[days]
        if reached >= needed:
            return days
    return None
