"""The days that money may have: neither long ago nor far ahead, for those are typing errors.

``SALDO_LEDGER_DAYS_BACK``
    how many days before today a payment, a bill or an opening balance may take effect (10957)
``SALDO_LEDGER_DAYS_AHEAD``
    how many days after today a bill may take effect, or be due (100)

Nobody has paid in the future. A day ahead is allowed for money that was taken in a zone where that
day has begun.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache

import msgspec

from shared.config import days_setting
from shared.errors import ValidationFailed

BACK, AHEAD = "SALDO_LEDGER_DAYS_BACK", "SALDO_LEDGER_DAYS_AHEAD"
_ANOTHER_ZONE = 1
_MOST = 36_500


class DayLimits(msgspec.Struct, frozen=True):
    """How many days a bill may be away from today; a payment may be as far back."""

    back: int = 10_957
    ahead: int = 100

    def check_payment(self, day: date, today: date) -> None:
        """Raise ValidationFailed ``invalid_day`` for a day on which nobody can have paid."""
        self._check(day, today, "The day of the payment", _ANOTHER_ZONE)

    def check_bill(self, day: date, today: date, what: str) -> None:
        """Raise ValidationFailed ``invalid_day`` for a day that no bill can have."""
        self._check(day, today, what, self.ahead)

    def _check(self, day: date, today: date, what: str, ahead: int) -> None:
        first, last = today - timedelta(self.back), today + timedelta(ahead)
        if not first <= day <= last:
            raise ValidationFailed(
                "invalid_day",
                f"{what} is {day}, and must be within {first} .. {last}: is it a typing error?",
            )


@lru_cache(maxsize=1)
def day_limits() -> DayLimits:
    """Return the limits of this process."""
    return read_limits(os.environ)


def read_limits(environ: Mapping[str, str]) -> DayLimits:
    """Read the limits; raises ConfigurationError for what is no number of days."""
    return DayLimits(
        days_setting(environ, BACK, DayLimits().back, most=_MOST),
        days_setting(environ, AHEAD, DayLimits().ahead, most=_MOST),
    )
