"""What a restore or a failover took from a service's log, and what has become of it.

The worker reads it from the broker's stream (:mod:`shared.bus.recovering`) into ``lost_events``,
with a row of ``recoveries`` for each epoch. An operator has it brought back by
``saldo <service> recover``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from string import Formatter
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from shared.eventstore.recording_times import RECORDED_BY


class Fate(StrEnum):
    """What becomes of a lost event."""

    BROUGHT_BACK = "brought_back"
    """It is recorded again, under its own ids."""
    BY_ITSELF = "by_itself"
    """It happens again without anybody: its cause is in another log, or a job makes it."""
    STAFF = "staff"
    """Staff must repeat it; the advice says how."""
    NOTHING = "nothing"
    """It is known already, or nobody needs it."""


class LostEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A published event that the log does not have any more; ``data`` is its public form.

    ``predecessor`` is the position of the published event before it; None: nobody knows.
    """

    epoch: str
    position: int
    version: int
    type: str
    subject: str
    occurred_at: datetime
    correlation_id: str
    data: dict[str, Any]
    predecessor: int | None = None


class Advice(msgspec.Struct, frozen=True):
    """What staff must do: an English sentence with named places, and the values of these.

    The sentence is what its translations are found by. Each is written as a literal in the call of
    this class: a test collects them.
    """

    sentence: str
    values: dict[str, Any] = {}

    def about(self, data: Mapping[str, Any]) -> Advice:
        """Return the advice with its values from an event's data, and no others of them."""
        places = {name for _, name, _, _ in Formatter().parse(self.sentence) if name}
        return Advice(self.sentence, {name: data[name] for name in sorted(places)})

    def __str__(self) -> str:
        """Return the advice in English."""
        return self.sentence.format(**self.values) if self.values else self.sentence


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A lost event with its fate; ``advice`` says what staff must do, None: nothing."""

    event: LostEvent
    fate: Fate
    advice: Advice | None = None


class Unpublished(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of lost events that were never published: only where they were.

    They were recorded after ``since``, the time of the last event that the log has from before the
    epoch (None: it has none), and before ``until``. ``skipped`` is how many positions lie between
    the lost events that were published; what came after the last of these is not counted.
    """

    epoch: str
    since: datetime | None
    until: datetime
    skipped: int


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was found lost before an epoch; ``lost`` None: the stream does not reach back.

    ``searched`` messages of the stream were compared so far, of ``to_search``.
    """

    epoch: str
    lost: int | None
    found_at: datetime | None
    asked_at: datetime | None
    asked_by: str
    reason: str
    failure: str
    done_at: datetime | None
    searched: int = 0
    to_search: int = 0


_COLUMNS = "epoch, position, version, type, subject, occurred_at, correlation_id, data, predecessor"
_RECOVERY = (
    "epoch, lost, found_at, asked_at, asked_by, recoveries.reason, failure, done_at,"
    " coalesce(next_offset - first_offset, 0) AS searched,"
    " coalesce(last_offset - first_offset + 1, 0) AS to_search"
)
_UNPUBLISHED = f"""
SELECT name AS epoch, began_at AS until,
       (SELECT {RECORDED_BY} FROM events WHERE notification_id = after_position) AS since,
       (SELECT coalesce(sum(greatest(0, position - greatest(predecessor, after_position) - 1)), 0)
        FROM (SELECT DISTINCT epoch, position, predecessor FROM lost_events
              WHERE recovery = name AND predecessor IS NOT NULL) AS message)::bigint AS skipped
FROM epochs WHERE number > 1 ORDER BY number
"""
_UNCONFIRMED = (
    "EXISTS (SELECT FROM log_run WHERE started_at <> pg_postmaster_start_time()"
    " OR log <> concat_ws('/', (SELECT oid FROM pg_database WHERE datname = current_database()),"
    " 'events'::regclass::oid))"
)
_OPEN = (
    f"SELECT {_UNCONFIRMED} OR EXISTS (SELECT FROM epochs LEFT JOIN recoveries"
    " ON recoveries.epoch = epochs.name WHERE number > 1 AND done_at IS NULL) AS open"
)
_MISSING = (
    "SELECT name FROM epochs WHERE number > 1"
    " AND NOT EXISTS (SELECT FROM recoveries WHERE epoch = name AND found_at IS NOT NULL)"
    " ORDER BY number"
)


def is_recovery_open(cursor: Any) -> bool:
    """Return whether events may be lost that nobody has brought back yet.

    So it is from the start of a restored database on, before anybody has compared it with the bus.
    """
    return bool(cursor.execute(_OPEN).fetchone()["open"])


def epochs_to_search(cursor: Any) -> list[str]:
    """Return the names of the epochs for which nobody has looked for lost events, oldest first."""
    return [row["name"] for row in cursor.execute(_MISSING).fetchall()]


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stream was searched: the offsets of the first, the next and the last message.

    ``reaches_back``: what was read of it begins no later than what was lost.
    """

    first: int | None = None
    next: int | None = None
    last: int | None = None
    reaches_back: bool = False


def reached_by(cursor: Any, epoch: str) -> Reached | None:
    """Return how far the search has come for what was lost before an epoch; None: nowhere."""
    row = cursor.execute(
        "SELECT first_offset AS first, next_offset AS next, last_offset AS last, reaches_back"
        " FROM recoveries WHERE epoch = %s AND next_offset IS NOT NULL",
        (epoch,),
    ).fetchone()
    return Reached(**row) if row else None


def note_reached(cursor: Any, epoch: str, reached: Reached) -> None:
    """Record how far the search has come."""
    cursor.execute(
        "UPDATE recoveries SET first_offset = %s, next_offset = %s, last_offset = %s,"
        " reaches_back = %s, failure = '' WHERE epoch = %s",
        (reached.first, reached.next, reached.last, reached.reaches_back, epoch),
    )


def keep_found(cursor: Any, epoch: str, events: Iterable[LostEvent]) -> None:
    """Record what was lost before an epoch; what another recovery has found stays with that."""
    cursor.execute("INSERT INTO recoveries (epoch) VALUES (%s) ON CONFLICT DO NOTHING", (epoch,))
    cursor.executemany(
        f"INSERT INTO lost_events ({_COLUMNS}, recovery)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [
            (
                event.epoch, event.position, event.version, event.type, event.subject,
                event.occurred_at, event.correlation_id, Jsonb(event.data), event.predecessor,
                epoch,
            )
            for event in events
        ],
    )  # fmt: skip


def count_found(cursor: Any, epoch: str) -> int:
    """Return how many events of a recovery were found so far."""
    row = cursor.execute(
        "SELECT count(*) AS found FROM lost_events WHERE recovery = %s", (epoch,)
    ).fetchone()
    return int(row["found"])


def finish_search(cursor: Any, epoch: str, *, whole: bool) -> int:
    """Record that everything lost before an epoch is found; return how many events that are.

    Not ``whole``: there may be more. Where nothing was lost, the recovery is done.
    """
    found = count_found(cursor, epoch)
    cursor.execute(
        "UPDATE recoveries SET found_at = clock_timestamp(), failure = '', lost = %s,"
        " done_at = CASE WHEN %s THEN clock_timestamp() END WHERE epoch = %s",
        (found if whole else None, whole and not found, epoch),
    )
    return found


def note_search_failure(cursor: Any, epoch: str, failure: str) -> None:
    """Record why nobody knows yet what was lost before an epoch, by the type of the error."""
    cursor.execute(
        "INSERT INTO recoveries (epoch, failure) VALUES (%s, %s)"
        " ON CONFLICT (epoch) DO UPDATE SET failure = excluded.failure",
        (epoch, failure),
    )


def recoveries(cursor: Any, *, left: bool = False) -> list[Recovery]:
    """Return the recoveries, oldest first; with ``left`` only those that are not done."""
    cursor.execute(
        f"SELECT {_RECOVERY} FROM recoveries JOIN epochs ON name = epoch"
        f" {'WHERE done_at IS NULL' if left else ''} ORDER BY number"
    )
    return [Recovery(**row) for row in cursor.fetchall()]


def lost_events(cursor: Any) -> list[LostEvent]:
    """Return the lost events of recoveries that are not done, in the order of their happening."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM lost_events"
        " WHERE recovery IN (SELECT epoch FROM recoveries WHERE done_at IS NULL)"
        " ORDER BY occurred_at, position, version"
    )
    return [LostEvent(**row) for row in cursor.fetchall()]


def unpublished(cursor: Any) -> list[Unpublished]:
    """Return where events may be lost that were never published, by epoch, oldest first."""
    return [Unpublished(**row) for row in cursor.execute(_UNPUBLISHED).fetchall()]


class LostLog:
    """What decisions must know of lost events, within one transaction."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def is_open(self) -> bool:
        """Return whether events may be lost that nobody has brought back yet."""
        return is_recovery_open(self._cursor)

    def is_searched(self) -> bool:
        """Return whether what is lost is known: brought back or not."""
        row = self._cursor.execute(f"SELECT {_UNCONFIRMED} AS unconfirmed").fetchone()
        return not (row["unconfirmed"] or epochs_to_search(self._cursor))

    def happened(self, type_: str, subjects: Sequence[str]) -> set[str]:
        """Return to which of some subjects an event of a type had happened that was ever lost."""
        self._cursor.execute(
            "SELECT DISTINCT subject FROM lost_events WHERE type = %s AND subject = ANY (%s)",
            (type_, list(subjects)),
        )
        return {row["subject"] for row in self._cursor.fetchall()}

    def subjects(self, subjects: Sequence[str]) -> set[str]:
        """Return which of some subjects have lost events that are not brought back."""
        self._cursor.execute(
            "SELECT DISTINCT subject FROM lost_events WHERE subject = ANY (%s)"
            " AND recovery IN (SELECT epoch FROM recoveries WHERE done_at IS NULL)",
            (list(subjects),),
        )
        return {row["subject"] for row in self._cursor.fetchall()}


def ask_for_recovery(cursor: Any, by: str, reason: str) -> list[str]:
    """Have the worker bring back what is lost; return the epochs whose recoveries are asked."""
    cursor.execute(
        "UPDATE recoveries SET asked_at = clock_timestamp(), asked_by = %s, reason = %s,"
        " failure = '' WHERE done_at IS NULL RETURNING epoch",
        (by, reason),
    )
    return [row["epoch"] for row in cursor.fetchall()]


def finish_recoveries(cursor: Any, epochs: Sequence[str], judged: Iterable[Judged]) -> None:
    """Record that recoveries are done, and what has become of each event."""
    cursor.executemany(
        "UPDATE lost_events SET fate = %s, advice = %s, advice_values = %s"
        " WHERE epoch = %s AND position = %s AND version = %s",
        [
            (
                one.fate,
                one.advice.sentence if one.advice else "",
                Jsonb(one.advice.values if one.advice else {}),
                one.event.epoch,
                one.event.position,
                one.event.version,
            )
            for one in judged
        ],
    )
    cursor.execute(
        "UPDATE recoveries SET done_at = clock_timestamp(), failure = '' WHERE epoch = ANY (%s)",
        (list(epochs),),
    )


def note_failure(cursor: Any, epochs: Sequence[str], failure: str, *, again: bool) -> None:
    """Record why recoveries wait, by the type of the error or its code.

    Not ``again``: they are not tried any more until somebody asks for it.
    """
    cursor.execute(
        "UPDATE recoveries SET failure = %s, asked_at = CASE WHEN %s THEN asked_at END"
        " WHERE epoch = ANY (%s)",
        (failure, again, list(epochs)),
    )


def outcomes(cursor: Any, epochs: Sequence[str]) -> list[Judged]:
    """Return what has become of the lost events of recoveries that are done, by their place."""
    cursor.execute(
        f"SELECT {_COLUMNS}, fate, advice, advice_values FROM lost_events"
        " WHERE recovery = ANY (%s) AND fate <> '' ORDER BY epoch, position, version",
        (list(epochs),),
    )
    return [_outcome(row) for row in cursor.fetchall()]


def _outcome(row: dict[str, Any]) -> Judged:
    fate, sentence, values = Fate(row.pop("fate")), row.pop("advice"), row.pop("advice_values")
    advice = Advice(sentence, values) if sentence else None
    return Judged(event=LostEvent(**row), fate=fate, advice=advice)
