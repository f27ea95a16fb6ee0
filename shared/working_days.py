"""The production calendar: which days are working days, read from YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from shared.config import ConfigurationError

PATH_VARIABLE = "SALDO_WORKING_DAYS"
"""The environment variable that names a file to use instead of the one shipped."""

_SHIPPED = Path(__file__).with_name("working_days.yaml")
_A_DAY = timedelta(days=1)

_DayOfWeek = Annotated[int, msgspec.Meta(ge=1, le=7)]
_MonthDay = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2}-[0-9]{2}$")]


class WorkingDays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which days are off: weekends, the same days every year, and single dated days.

    ``working_days`` are days of a weekend that are worked instead.
    """

    weekend: tuple[_DayOfWeek, ...]
    yearly: Annotated[tuple[_MonthDay, ...], msgspec.Meta(max_length=60)]
    days_off: tuple[date, ...]
    working_days: tuple[date, ...]

    def __post_init__(self) -> None:
        if len(set(self.weekend)) > 6:
            raise ValueError("a week needs a working day")
        for text in self.yearly:
            date.fromisoformat(f"2000-{text}")  # a leap year: 02-29 may be a holiday
        check_rising("days_off", self.days_off)
        check_rising("working_days", self.working_days)
        for day in set(self.days_off) & set(self.working_days):
            raise ValueError(f"{day} is listed as a day off and as a working day")

    def is_off(self, day: date) -> bool:
        """Return whether a day is a weekend, a holiday, or a transferred day off."""
        if day in self.working_days:
            return False
        return (
            day.isoweekday() in self.weekend
            or f"{day:%m-%d}" in self.yearly
            or day in self.days_off
        )

    def next_from(self, day: date) -> date:
        """Return the day itself, or the first working day after it."""
        while self.is_off(day):
            day += _A_DAY
        return day

    def after(self, day: date, count: int) -> date:
        """Return the working day that follows a day as the ``count``-th, from 1 on."""
        for _ in range(count):
            day = self.next_from(day + _A_DAY)
        return day

    def between(self, first: date, last: date) -> int:
        """Return how many working days lie after ``first``, up to ``last`` itself."""
        days = (last - first).days
        return sum(not self.is_off(first + _A_DAY * number) for number in range(1, days + 1))


def load_working_days(environ: Mapping[str, str] | None = None) -> WorkingDays:
    """Read the operator's calendar, or the shipped one.

    Raises ConfigurationError that names the file and what is wrong in it.
    """
    env = os.environ if environ is None else environ
    path = Path(env.get(PATH_VARIABLE) or _SHIPPED)
    try:
        # Every scalar is read as a text: a day of the year is not a number.
        data = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506
        return msgspec.convert(data, WorkingDays, strict=False)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the working days {path} cannot be used: {error}") from error


def check_rising(what: str, days: Sequence[Any]) -> None:
    """Raise ValueError unless each of these days, or months, comes after the one before it."""
    for day, after in pairwise(days):
        if after <= day:
            raise ValueError(f"{what}: {after} comes after {day}; list each once, oldest first")
