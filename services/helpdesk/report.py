"""How soon questions are answered, by department and topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

from services.helpdesk.departments import Directory
from services.helpdesk.turns import TurnView
from shared.clock import Clock
from shared.cooperation import cooperatively
from shared.working_days import WorkingDays


class Figures:
    """The counts of some turns; one that staff closed without an answer is in ``asked`` alone."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._days: Counter[int] = Counter()

    def add(self, names: Iterable[str], days: int | None) -> None:
        """Count a turn: in what it counts, and within how many days it was answered."""
        self._counts.update(names)
        if days is not None:
            self._days[days] += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, and within how many working days the answers came.

        ``median`` and ``ninety`` are the days within which half and 90 % of the answers came, None
        without answers; ``days`` counts the answers by days.
        """
        return {
            "asked": self._counts["asked"],
            "answered": self._days.total(),
            "in_time": self._counts["in_time"],
            "waiting": self._counts["waiting"],
            "overdue": self._counts["overdue"],
            "median": _within(self._days, 0.5),
            "ninety": _within(self._days, 0.9),
            "days": [[days, self._days[days]] for days in sorted(self._days)],
        }


class Reckoning:
    """What a turn counts as today, by the production calendar."""

    def __init__(self, calendar: WorkingDays, clock: Clock) -> None:
        self._calendar = calendar
        self._clock = clock
        self._today = clock.today()

    def of_turn(self, turn: TurnView) -> tuple[tuple[str, ...], int | None]:
        """Return in which counts a turn is, and how many working days its answer took.

        Those aside that staff waited for the person.
        """
        if turn.answered_at is None:
            if turn.closed_at is not None:
                return ("asked",), None
            if turn.waiting:
                return ("asked", "waiting"), None
            return ("asked", "overdue") if turn.due_on < self._today else ("asked",), None
        first, last = (self._clock.day_of(at) for at in (turn.started_at, turn.answered_at))
        days = max(0, self._calendar.between(first, last) - turn.waited)
        return ("asked", "in_time") if last <= turn.due_on else ("asked",), days


def report(
    turns: Iterable[TurnView],
    unseen: Mapping[tuple[str, str], int],
    reckoning: Reckoning,
    directory: Directory,
) -> dict[str, Any]:
    """Return ``{total, departments: [{..., topics: [...]}]}``, each with its figures.

    ``unseen`` are the messages that no staff has opened, by department and topic.
    """
    total, departments = Figures(), {department: Figures() for department, _ in unseen}
    groups = {group: Figures() for group in unseen}
    for turn in cooperatively(turns):
        names, days = reckoning.of_turn(turn)
        group = (turn.department, turn.topic)
        of_department = departments.setdefault(turn.department, Figures())
        for figures in (total, of_department, groups.setdefault(group, Figures())):
            figures.add(names, days)
    return {
        "total": {**total.as_dict(), "unseen": sum(unseen.values())},
        "departments": [
            {
                "department": department,
                **_titles(directory.department_title(department)),
                **figures.as_dict(),
                "unseen": sum(count for group, count in unseen.items() if group[0] == department),
                "topics": [
                    {
                        "topic": topic,
                        **_titles(directory.topic_title(topic)),
                        **of_topic.as_dict(),
                        "unseen": unseen.get((department, topic), 0),
                    }
                    for (of, topic), of_topic in sorted(groups.items(), key=lambda item: item[0])
                    if of == department
                ],
            }
            for department, figures in sorted(departments.items(), key=lambda item: item[0])
        ],
    }


def begun_within(
    turns: Iterable[TurnView], clock: Clock, first: date, last: date
) -> Iterator[TurnView]:
    """Yield the turns that began from one day to another, both included."""
    return (turn for turn in turns if first <= clock.day_of(turn.started_at) <= last)


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
