"""When penalties are accrued: the operator's schedule.

``SALDO_LEDGER_ACCRUALS``
    ``monthly``, or ``monthly:DAY`` (1 to 28): on that day of each month, the first by default,
    through the last day of the month before. ``daily``: each day, through the day before. ``off``:
    only by ``saldo ledger accrue``.

A later day of the month leaves time for the last registers of the month before to arrive.
"""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from shared.config import accruals_setting

_A_DAY = timedelta(days=1)


class DueRun(msgspec.Struct, frozen=True):
    """A run of the schedule: the day on which it is due, and the last day that it accrues."""

    due_on: date
    through: date


class Schedule(msgspec.Struct, frozen=True):
    """The days of the runs; ``day`` is that of the month, None where a run is due every day."""

    name: str
    day: int | None = None
    is_off: bool = False

    def last_due(self, today: date) -> DueRun | None:
        """Return the newest run whose day has come; None where there is none."""
        if self.is_off:
            return None
        if self.day is None:
            return DueRun(today, today - _A_DAY)
        due_on = today.replace(day=self.day)
        if today < due_on:
            due_on = (due_on.replace(day=1) - _A_DAY).replace(day=self.day)
        return DueRun(due_on, due_on.replace(day=1) - _A_DAY)

    def next_due(self, today: date) -> DueRun | None:
        """Return the first run of a day to come."""
        if self.is_off:
            return None
        if self.day is None:
            return DueRun(today + _A_DAY, today)
        due_on = today.replace(day=self.day)
        if today >= due_on:
            due_on = (due_on.replace(day=28) + 4 * _A_DAY).replace(day=self.day)
        return DueRun(due_on, due_on.replace(day=1) - _A_DAY)


def read_schedule(setting: str) -> Schedule:
    """Return the schedule that a setting names; raises ConfigurationError."""
    name = accruals_setting(setting)
    kind, _, day = name.partition(":")
    if kind == "monthly":
        return Schedule(name, int(day or 1))
    return Schedule(name, is_off=kind == "off")
