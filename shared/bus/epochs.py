"""The epochs of a log: which events of which line it has, and where lines parted.

A promotion of a standby or a restore from a backup may lose the end of a log whose events others
have got already. The positions are then given to other events, so a position alone names nothing:
it does together with its epoch. The relay begins a new one wherever the end may have been lost
(:mod:`shared.bus.confirmation`), and readers ask for the history of the epochs.

Positions go on counting along the line: epoch n has those after ``epochs[n].after``, up to
``epochs[n + 1].after``. Names are never used twice, not even by two lines that part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.errors import Unavailable

FIRST_EPOCH = "1"
"""The epoch of a log that is older than its epochs, and of a message that names none."""
EPOCH = "[1-9][0-9]*([.][0-9a-f]{8})?"
"""The pattern of a name."""
JUMP = 64
"""Positions that a message may be ahead of its reader and not be looked up in the log: unpublished
events seldom come in such a row."""
FIRST, PROMOTED, RESTORED, TAIL_LOST, STREAM_LOST = (
    "first",
    "promoted",
    "restored",
    "tail_lost",
    "stream_lost",
)
"""Why an epoch began: it is the first; the server is another one of the same line (a standby took
over, or a restore to a point in time); the log stands elsewhere; the bus has events that are not in
the log; the bus has nothing to compare with."""

MOST_LOST = 100_000_000
"""A log does not grow by as many events while a stream keeps them: a message that names such a
position was sent by no relay."""

PLACE = """concat_ws('/', (SELECT oid FROM pg_database WHERE datname = current_database()),
    'events'::regclass::oid)"""
"""Where a log is on its server, in SQL: the database, and the table of events."""
SERVER = f"""concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    CASE WHEN pg_is_in_recovery() THEN 'standby'
         ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, {PLACE})"""
"""The identity of a log's server, in SQL: the system, its timeline, and the place of the log."""

_HISTORY = f"""
SELECT (SELECT coalesce(max(notification_id), 0) FROM events) AS head,
       (SELECT json_agg(json_build_object('epoch', name, 'after', after_position,
                                          'began_at', began_at, 'reason', reason)
                        ORDER BY number) FROM epochs) AS epochs,
       EXISTS (SELECT FROM log_run WHERE started_at = pg_postmaster_start_time()
                                     AND server = {SERVER})
       AND NOT EXISTS (SELECT FROM relay WHERE position >
                       (SELECT coalesce(max(notification_id), 0) FROM events)) AS confirmed
"""

MARK = """log_run.server, log_run.log, log_run.started_at, log_run.confirmed_at,
       'events'::regclass::oid AS events, (SELECT max(number) FROM epochs) AS epoch,
       relay.position > coalesce((SELECT max(notification_id) FROM events), 0) AS beyond"""
"""Columns by which `KnownHistory` sees whether it still holds, in SQL: of
``relay LEFT JOIN log_run ON true``."""
_MARKS = ("server", "log", "started_at", "confirmed_at", "events", "epoch")


@dataclass(frozen=True)
class Epoch:
    """An epoch of a log: it has the positions after ``after``."""

    name: str
    after: int
    began_at: datetime
    reason: str


@dataclass(frozen=True)
class LogHistory:
    """The epochs of a log, oldest first and never none, and the last position of the log."""

    epochs: tuple[Epoch, ...]
    head: int

    @property
    def current(self) -> Epoch:
        """The epoch of the next event."""
        return self.epochs[-1]

    def end_of(self, name: str) -> int | None:
        """Return the last position of an epoch; None for one that is not of this line."""
        place = self._place_of(name)
        return None if place is None else self._end(place)

    def has(self, epoch: str, position: int) -> bool:
        """Return whether this log has the event."""
        place = self._place_of(epoch)
        return place is not None and self.epochs[place].after < position <= self._end(place)

    def epoch_at(self, position: int) -> Epoch:
        """Return the epoch of the event at a position, whether or not it is there yet."""
        begun = (epoch for epoch in reversed(self.epochs) if epoch.after < position)
        return next(begun, self.epochs[0])

    def fits(self, epoch: str, position: int) -> bool:
        """Return whether a reader that has got there has read nothing but this log.

        ``""`` is the epoch of a reader of before the upgrade, and means the first one. A reader
        that has read nothing always fits.
        """
        if position == 0:
            return True
        place = self._place_of(epoch)
        return place is not None and position <= self._end(place)

    def fork_of(self, epoch: str, position: int) -> int:
        """Return the last position up to which a reader has surely read this log.

        It is the position itself where the reader fits. Of an epoch of another line it is 0: where
        that line parted from this one is known to whoever has its history (`shared_with`) only.

        It is not the head where the reader is beyond that in the current epoch. The log has lost
        nothing then: a message that the log does not bear out has made the reader jump, from
        somewhere below, and what the log has got since was skipped as well. A jump is `JUMP` long
        at most.
        """
        place = self._place_of(epoch)
        if place == len(self.epochs) - 1 and position > self.head:
            return self.before_jump_to(position)
        return 0 if place is None else min(position, self._end(place))

    def before_jump_to(self, position: int) -> int:
        """Return up to where a reader has surely read that was made to jump to a position."""
        return max(0, min(self.head, position - JUMP))

    def shared_with(self, other: LogHistory) -> int:
        """Return the last position of the part that this log and another line of it share."""
        fork = 0
        for place, (mine, theirs) in enumerate(zip(self.epochs, other.epochs, strict=False)):
            if mine.name != theirs.name:
                break
            fork = min(self._end(place), other._end(place))
        return fork

    def reaching(self, position: int) -> LogHistory:
        """Return the history of the log once it has got to a position, in the same epoch."""
        return self if position <= self.head else replace(self, head=position)

    def _place_of(self, name: str) -> int | None:
        if not name:
            return 0
        return next((at for at, epoch in enumerate(self.epochs) if epoch.name == name), None)

    def _end(self, place: int) -> int:
        # All that follow count: a log whose events alone were restored has later epochs that begin
        # above its end.
        return min((self.head, *(epoch.after for epoch in self.epochs[place + 1 :])))


def as_wire(history: LogHistory) -> dict[str, Any]:
    """Return the JSON form in which services and subscribers get a history."""
    return {
        "epochs": [
            {
                "epoch": epoch.name,
                "after": epoch.after,
                "began_at": epoch.began_at.isoformat(),
                "reason": epoch.reason,
            }
            for epoch in history.epochs
        ],
        "head": history.head,
    }


def from_wire(wire: Mapping[str, Any]) -> LogHistory:
    """Return the history of its JSON form."""
    epochs = tuple(
        Epoch(
            str(one["epoch"]),
            int(one["after"]),
            datetime.fromisoformat(one["began_at"]),
            str(one["reason"]),
        )
        for one in wire["epochs"]
    )
    if not epochs:
        raise ValueError("a log has at least one epoch")
    return LogHistory(epochs, int(wire["head"]))


def read_history(cursor: Any) -> LogHistory:
    """Return the history of the log of a service's cursor.

    Whatever else is read of the log in the same transaction belongs to it. Raises Unavailable
    ``log_not_confirmed`` while the relay has not compared the log with the bus since the server
    was started, or replaced.
    """
    return confirmed_history(*stored_history(cursor))


def confirmed_history(history: LogHistory, confirmed: bool) -> LogHistory:
    """Return a history that was read; raises Unavailable like read_history."""
    if not confirmed:
        raise Unavailable(
            "log_not_confirmed",
            "The log has not been compared with the bus since its server was started; the relay "
            "does so when it takes its lock: try again, and look at the worker if it goes on.",
        )
    return history


def stored_history(cursor: Any) -> tuple[LogHistory, bool]:
    """Return the history of the log as it stands, and whether it is confirmed."""
    row = cursor.execute(_HISTORY).fetchone()
    return from_wire({"epochs": row["epochs"], "head": row["head"]}), row["confirmed"]


class KnownHistory:
    """The confirmed history of a log on one connection, asked for anew where it may have changed.

    The server and its run are the same for as long as there is a connection. What else confirms a
    log, and what changes its history, shows in the columns of `MARK`, which cost a tenth of it.
    """

    def __init__(self) -> None:
        self._mark: tuple[Any, ...] | None = None
        self._history: LogHistory | None = None

    def of(self, row: Mapping[str, Any] | None, connection: Any) -> tuple[LogHistory, bool]:
        """Return the history, and whether the log is confirmed, by a row that has the columns."""
        mark = None if row is None else tuple([row[name] for name in _MARKS])
        if row is not None and mark == self._mark and not row["beyond"] and self._history:
            return self._history, True
        history, confirmed = stored_history(connection.cursor())
        self._mark, self._history = (mark, history) if confirmed else (None, None)
        return history, confirmed
