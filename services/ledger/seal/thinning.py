"""Old checkpoints are thinned to one a day, so that their number has a bound.

A checkpoint is signed every few seconds. What an old one proves, the last one of its day proves as
well: the tree under both is the same. The log says which were deleted, so that a checkpoint that is
missing without that is a finding as before; one that a witness has kept is still compared with the
log.

``SALDO_LEDGER_CHECKPOINT_DAYS``
    how many days all checkpoints are kept (30; at least 8)
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import msgspec
from psycopg.types.multirange import Int8Multirange
from psycopg.types.range import Int8Range

from services.ledger.domain.book import CHECKPOINTS, CheckpointsThinned, ThinnedCheckpoints
from shared.bus import Services
from shared.config import days_setting
from shared.eventstore.postgres_session import PostgresSession

DAYS = "SALDO_LEDGER_CHECKPOINT_DAYS"
FEWEST_DAYS = 8
_BEYOND = 1 << 62
"""More events than a log can have."""

_THINNED = (
    "SELECT state FROM events WHERE originator_id = %s AND topic = %s ORDER BY originator_version"
)


class Thinned:
    """The checkpoints that were deleted, as the log says."""

    def __init__(self, cursor: Any) -> None:
        self._numbers: list[tuple[int, int]] = []
        self._sizes: list[tuple[int, int]] = []
        for row in cursor.execute(_THINNED, (CHECKPOINTS, CheckpointsThinned.topic)).fetchall():
            # One that was changed excuses nothing, and is a finding of its own.
            with suppress(msgspec.MsgspecError):
                day = msgspec.json.decode(bytes(row["state"]), type=CheckpointsThinned)
                self._numbers.append((day.first_number, day.last_number))
                self._sizes.append((day.first_size, day.last_size))
        self._numbers.sort()
        self._sizes.sort()

    @property
    def sizes(self) -> Int8Multirange:
        """Return the sizes that those which were deleted may have."""
        return Int8Multirange(
            Int8Range(first, last, "[]")
            for first, last in self._sizes
            if 0 <= first <= last < _BEYOND  # others are no range, and a tamperer's
        )

    def has_numbers(self, first: int, last: int) -> bool:
        """Whether all checkpoints of these numbers were deleted, as those of one day."""
        return _within(self._numbers, first, last)

    def has_size(self, size: int) -> bool:
        """Whether a checkpoint of this size may be among those that were deleted."""
        return _within(self._sizes, size, size)


def thin_checkpoints(services: Services) -> int:
    """Thin the checkpoints of the oldest day that had its time (a job)."""
    before = services.store.clock.today() - timedelta(days=days_kept(os.environ))
    thinned: bool = services.store.transact(_thin, before)
    return int(thinned)


def days_kept(environ: Mapping[str, str]) -> int:
    """Return how many days all checkpoints are kept; raises ConfigurationError."""
    return days_setting(environ, DAYS, 30, fewest=FEWEST_DAYS)


def _thin(session: PostgresSession, before: date) -> bool:
    row = session.cursor.execute("SELECT * FROM thin_checkpoints(%s)", (before,)).fetchone()
    if row is None:
        return False
    session.load(ThinnedCheckpoints, CHECKPOINTS).thin(CheckpointsThinned(**row))
    return True


def _within(ranges: Sequence[tuple[int, int]], first: int, last: int) -> bool:
    place = bisect_left(ranges, (first + 1,)) - 1
    return place >= 0 and last <= ranges[place][1]
