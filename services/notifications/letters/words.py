"""How a letter writes sums, days and times in its language: the filters of the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from shared import formats

MINUTES, HOURS, DAYS = "minutes", "hours", "days"
_UNITS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ru": {
        MINUTES: ("минуту", "минуты", "минут"),
        HOURS: ("час", "часа", "часов"),
        DAYS: ("день", "дня", "дней"),
    },
    "en": {
        MINUTES: ("minute", "minutes"),
        HOURS: ("hour", "hours"),
        DAYS: ("day", "days"),
    },
}
_NUMBER = {"ru": "№", "en": "no."}
_AT = {"ru": "{day} года в {time}", "en": "{day} at {time}"}


def filters_of(language: str, timezone: str) -> Mapping[str, Callable[..., str]]:
    """Return the filters of the templates of a language."""

    def clock(instant: datetime | str) -> str:
        """Write the time of an instant: ``14:03``."""
        return f"{_local(instant, timezone):%H:%M}"

    def moment(instant: datetime | str) -> str:
        """Write when something was: ``10 августа 2026 года в 14:03``."""
        day = formats.day(_local(instant, timezone).date(), language)
        return _AT[language].format(day=day, time=clock(instant))

    def until(instant: datetime | str) -> str:
        """Write when something ends: ``10 августа 2026, 14:03``."""
        return f"{formats.day(_local(instant, timezone).date(), language)}, {clock(instant)}"

    def counted(number: int, unit: str) -> str:
        """Write how long something lasts: ``15 минут``; whole hours as hours."""
        if unit == MINUTES and number % 60 == 0:
            number, unit = number // 60, HOURS
        return formats.plural(number, _UNITS[language][unit], language)

    return {
        "clock": clock,
        "moment": moment,
        "until": until,
        "counted": counted,
        "roubles": partial(formats.roubles, language=language),
        "day": partial(formats.day, language=language),
        "short_day": partial(formats.day, language=language, year=False),
        "month": partial(formats.month, language=language),
        "numbered": lambda number: f"{_NUMBER[language]}{formats.NBSP}{number}",
        "times": lambda number, *forms: formats.plural(number, forms, language),
    }


def _local(instant: datetime | str, timezone: str) -> datetime:
    found = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return found.astimezone(ZoneInfo(timezone))
