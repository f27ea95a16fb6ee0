"""How far a service has read each upstream, and whether it may read on.

A reader's point is an epoch and a position: the last event that has taken effect. A reader whose
point is not in the upstream's log has applied events that were lost there. It is stopped, with the
reason, until `saldo <service> recover` has brought its service back and set it to a point of that
log. :mod:`shared.bus.reactions` moves the point with each effect.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.bus import quarantine
from shared.bus.epochs import JUMP, LogHistory
from shared.bus.leadership import Lead
from shared.bus.messages import Message
from shared.bus.proof import Proof

YOUNG = timedelta(seconds=1)
"""How old an event may be that is taken without asking whether its log still has it: nobody puts
a database back from a copy, or promotes another, in less."""


_ADVANCE = """
UPDATE positions SET position = %(position)s, epoch = %(epoch)s, updated_at = clock_timestamp(),
       proof_after = %(after)s, proof_until = %(position)s, proof = %(total)s
 WHERE upstream = %(upstream)s"""


class ReadPoint(NamedTuple):
    """The last event that has taken effect, and why nothing more is read ("": it is read).

    ``epoch`` is empty where nothing was read since there are epochs. ``parked``: something of this
    upstream is parked. ``proof`` is that of the last events; None: there is none of them.
    """

    epoch: str = ""
    position: int = 0
    stopped: str = ""
    parked: bool = False
    proof: Proof | None = None


class GapError(Exception):
    """The upstream has published events that have not arrived here."""


class DoubtError(Exception):
    """The upstream must be asked whether it has the event: its epoch is new, or it is far off."""


class JumpError(Exception):
    """The message is so far ahead that the log must show that nothing is between."""


class DisputedError(Exception):
    """The message is none of those that were applied, though the point is at or beyond it."""


class GhostError(Exception):
    """The upstream's log does not have the event; ``reason`` is one of the quarantine."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StoppedReaderError(Exception):
    """The reader is stopped: its point is not in the upstream's log."""


def read_point(cursor: Any, upstream: str, *, lock: bool = False) -> ReadPoint:
    """Return the point of a reader, and lock its row until the end of the transaction."""
    query = (
        "SELECT epoch, position, stopped, "
        "CASE WHEN proof_until = position THEN proof_after END AS proof_after, proof, "
        "EXISTS (SELECT FROM parked WHERE parked.upstream = positions.upstream) AS parked "
        "FROM positions WHERE upstream = %s" + (" FOR UPDATE OF positions" if lock else "")
    )
    row = cursor.execute(query, (upstream,)).fetchone()
    if row is None and lock:
        # The first message ever: a concurrent process waits for this row.
        cursor.execute(
            "INSERT INTO positions (upstream, position) VALUES (%s, 0) ON CONFLICT DO NOTHING",
            (upstream,),
        )
        row = cursor.execute(query, (upstream,)).fetchone()
    if not row:
        return ReadPoint()
    after, total = row["proof_after"], row["proof"]
    return ReadPoint(
        epoch=row["epoch"],
        position=row["position"],
        stopped=row["stopped"],
        parked=row["parked"],
        proof=None if after is None else Proof(after, total),
    )


def advance(
    cursor: Any, upstream: str, point: ReadPoint, proof: Proof, leader: Lead | None
) -> None:
    """Move a reader to a point, with its proof; for the term of a leader alone, if there is one.

    Raises LeadLostError.
    """
    moved = {
        "upstream": upstream,
        "position": point.position,
        "epoch": point.epoch,
        "after": proof.after,
        "total": proof.total,
    }
    if leader is None:
        cursor.execute(_ADVANCE, moved)
    else:
        leader.write_on(cursor, _ADVANCE, moved)


def stop(cursor: Any, upstream: str, reason: str) -> None:
    """Stop a reader; it stays where it is."""
    cursor.execute(
        "INSERT INTO positions (upstream, position, stopped) VALUES (%s, 0, %s) "
        "ON CONFLICT (upstream) DO UPDATE SET stopped = excluded.stopped",
        (upstream, reason),
    )


def set_back(cursor: Any, upstream: str, epoch: str, position: int) -> None:
    """Set a reader to an earlier event, to be followed by what it has jumped over."""
    cursor.execute(
        "UPDATE positions SET position = %s, epoch = %s, stopped = '', "
        "updated_at = clock_timestamp() WHERE upstream = %s",
        (position, epoch, upstream),
    )


def resume(cursor: Any, upstream: str) -> None:
    """Let a reader read on from where it is: the upstream's log has its point again."""
    cursor.execute("UPDATE positions SET stopped = '' WHERE upstream = %s", (upstream,))


def rewind(cursor: Any, upstream: str, epoch: str, position: int) -> int:
    """Set a reader to an event of its upstream's log, and let it read on from there.

    What it has parked, or put aside, of later positions is not in that log: it is quarantined.
    Return how many messages those are.
    """
    moved = quarantine.put_parked(cursor, upstream, position)
    cursor.execute(
        "INSERT INTO positions (upstream, position, epoch) VALUES (%s, %s, %s) "
        "ON CONFLICT (upstream) DO UPDATE SET position = excluded.position, "
        "epoch = excluded.epoch, stopped = '', updated_at = clock_timestamp()",
        (upstream, position, epoch),
    )
    return moved


def prove(cursor: Any, upstream: str, proof: Proof) -> None:
    """Record the proof of a reader where it is."""
    cursor.execute(
        "UPDATE positions SET proof_after = %s, proof_until = position, proof = %s "
        "WHERE upstream = %s",
        (proof.after, proof.total, upstream),
    )


def unfit(upstream: str, history: LogHistory, point: ReadPoint) -> str:
    """Return why a reader cannot read on; "" where its point is in the upstream's log."""
    if history.fits(point.epoch, point.position):
        return ""
    end = history.end_of(point.epoch)
    what = f"the events up to {point.position} of epoch {point.epoch or history.epochs[0].name}"
    if end is None:
        return f"has applied {what}, an epoch that the log of {upstream} does not have"
    return f"has applied {what}, which ends at {end} in the log of {upstream}"


def safe_position(history: LogHistory, point: ReadPoint) -> int | None:
    """Return how far back a reader must go that has come beyond the end of the current epoch.

    None for others. No message of the log has brought it there, so something made it jump. That
    the log grows past its point later proves nothing: what it has jumped over is still missing.
    So one that was stopped in this epoch goes back, too; and one with a proof to where that begins,
    for it may have come by a chain of jumps.
    """
    if (point.epoch or history.epochs[0].name) != history.current.name:
        return None
    if point.position <= history.head and not point.stopped:
        return None
    before = history.before_jump_to(point.position)
    return before if point.proof is None else min(before, point.proof.after)


class Known(NamedTuple):
    """The history of the upstream's log as it was last told; ``fresh``: just now."""

    history: LogHistory
    fresh: bool


def is_duplicate(
    message: Message, point: ReadPoint, known: Known | None, now: datetime, *, of_log: bool
) -> bool:
    """Return whether an event has taken effect already; otherwise it is the next one.

    What the log gave is believed. What came by the queue must be in the history that is ``known``,
    or may be after it in its current epoch, if it is near; and unless it is young, that must have
    been told just now: the log may have been put back since it was published. Raises DoubtError
    where a fresh history is to be asked for, GhostError, GapError for a missing predecessor, or
    JumpError.
    """
    if not of_log:
        _check_in_log(message, point, known, now)
    if message.position <= point.position:
        return True
    if message.predecessor > point.position:
        raise GapError(f"position {message.position} arrived after {point.position}")
    if not of_log and message.position - point.position > JUMP:
        raise JumpError(f"position {message.position} arrived after {point.position}")
    return False


def _check_in_log(message: Message, point: ReadPoint, known: Known | None, now: datetime) -> None:
    epoch, position = message.epoch, message.position
    current = point.epoch if known is None else known.history.current.name
    fresh = known is not None and known.fresh
    if not (fresh or _is_young(message, now)):
        raise DoubtError(message.id)
    if epoch == current and position <= point.position + JUMP:
        return  # published since: the log goes on
    if known is None:
        raise DoubtError(message.id)
    if known.history.has(epoch, position):
        return
    if not known.fresh:
        raise DoubtError(message.id)
    if known.history.end_of(epoch) is None:
        raise GhostError(quarantine.UNKNOWN_EPOCH)
    raise GhostError(quarantine.BEYOND_HEAD if epoch == current else quarantine.LOST_TAIL)


def _is_young(message: Message, now: datetime) -> bool:
    # A time that is still to come was recorded by a clock that ran ahead: it says nothing.
    return message.time.tzinfo is not None and abs(now - message.time) < YOUNG
