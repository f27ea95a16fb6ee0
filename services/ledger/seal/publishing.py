"""Gives checkpoints to witnesses, and records in ``publications`` what each was given.

A witness that does not take one is tried again; nothing else waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.ledger.seal.sealer import Sealed, last_checkpoint
from services.ledger.seal.witnesses import Witness, WitnessError
from shared import telemetry
from shared.logs import get_logger

log = get_logger(__name__)

RETRY_SECONDS = 30.0

_PUBLISHED = (
    "SELECT number, extract(epoch FROM clock_timestamp() - at) AS age FROM publications "
    "WHERE witness = %s AND failure IS NULL ORDER BY id DESC LIMIT 1"
)
_LAST = "SELECT failure FROM publications WHERE witness = %s ORDER BY id DESC LIMIT 1"
_RECORD = "INSERT INTO publications (witness, number, failure) VALUES (%s, %s, %s)"
_STATES = """
SELECT DISTINCT ON (p.witness) p.witness AS name, given.number, given.at AS published_at,
       CASE WHEN p.failure IS NULL THEN NULL ELSE p.at END AS failing_since, p.failure
  FROM publications AS p LEFT JOIN LATERAL (
       SELECT number, at FROM publications
        WHERE witness = p.witness AND failure IS NULL ORDER BY id DESC LIMIT 1) AS given ON true
 ORDER BY p.witness, p.id DESC
"""
_GIVEN = (
    "SELECT c.number, c.size, c.root FROM checkpoints AS c WHERE c.number IN "
    "(SELECT number FROM publications WHERE witness = %s AND failure IS NULL) ORDER BY c.number"
)


class WitnessState(msgspec.Struct, frozen=True):
    """The last checkpoint that a witness was given, and since when and why it takes none."""

    name: str
    number: int | None
    published_at: datetime | None
    failing_since: datetime | None
    failure: str | None


class Publisher:
    """Gives the newest checkpoint to each witness that is due; not thread-safe."""

    def __init__(self, witnesses: Sequence[Witness]) -> None:
        self._witnesses = witnesses
        self._retry_at: dict[str, float] = {}
        for witness in witnesses:
            telemetry.of_witness(witness.name)

    def publish_due(self, cursor: Any) -> int:
        """Publish the newest checkpoint where it is due; return how many witnesses took it."""
        newest = last_checkpoint(cursor)
        if newest is None:
            return 0
        return sum(self._publish(cursor, witness, newest) for witness in self._witnesses)

    def _publish(self, cursor: Any, witness: Witness, newest: Sealed) -> bool:
        now = time.monotonic()
        if now < self._retry_at.get(witness.name, now) or not _is_due(cursor, witness, newest):
            return False
        try:
            witness.publish(newest)
        except WitnessError as error:
            self._retry_at[witness.name] = time.monotonic() + RETRY_SECONDS
            telemetry.WITNESS_FAILURES.labels(witness.name).inc()
            log.error(  # noqa: TRY400 - the reason suffices
                "witness_failed", witness=witness.name, number=newest.number, reason=str(error)
            )
            _record_failure(cursor, witness.name, newest.number, str(error))
            return False
        cursor.execute(_RECORD, (witness.name, newest.number, None))
        telemetry.WITNESS_PUBLISHED.labels(witness.name).inc()
        return True


def witness_states(cursor: Any) -> list[WitnessState]:
    """Return the states of all witnesses that were ever given something."""
    return [WitnessState(**row) for row in cursor.execute(_STATES).fetchall()]


def given_to(cursor: Any, witness: str) -> dict[int, int]:
    """Return size -> number of the stored checkpoints that a witness was given."""
    return {row["size"]: row["number"] for row in cursor.execute(_GIVEN, (witness,)).fetchall()}


def _is_due(cursor: Any, witness: Witness, newest: Sealed) -> bool:
    """Return whether a witness has not had the newest checkpoint, and not had one for its time.

    Neither a clock that was set back nor a record of a later checkpoint may keep one from it.
    """
    row = cursor.execute(_PUBLISHED, (witness.name,)).fetchone()
    if row is None:
        return True
    return row["number"] != newest.number and not 0 <= row["age"] < witness.every


def _record_failure(cursor: Any, witness: str, number: int, reason: str) -> None:
    """Record a failure, unless it is the one that was recorded last."""
    row = cursor.execute(_LAST, (witness,)).fetchone()
    if row is None or row["failure"] != reason:
        cursor.execute(_RECORD, (witness, number, reason))
