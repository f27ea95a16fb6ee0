"""What a service has lost, and which of its readers have applied what others have lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import psycopg

from services.discovery import recovery_of
from services.language import text
from services.terminal import database_failure, opened_store, refusal_text
from shared.bus import quarantine
from shared.bus.epochs import LogHistory, stored_history
from shared.bus.messages import event_id
from shared.bus.permissions import upstreams_of
from shared.bus.reactions import command_id_of
from shared.bus.reading import ReadPoint, read_point, safe_position
from shared.config import ConfigurationError, load_settings
from shared.errors import Unavailable
from shared.eventstore.lost_events import (
    Advice,
    Judged,
    Recovery,
    Unpublished,
    epochs_to_search,
    lost_events,
    outcomes,
    recoveries,
    unpublished,
)
from shared.eventstore.postgres import PostgresStore

BATCH = 5_000
_GHOSTS = "SELECT min(position) AS first FROM lost_events"
_EFFECTS = "SELECT topic, count(*) AS events FROM events WHERE command_id = ANY (%s) GROUP BY topic"


class EpochShown(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch of the log, with what was found lost before it."""

    epoch: str
    after: int
    began_at: datetime
    reason: str
    recovery: Recovery | None


class ReaderShown(msgspec.Struct, frozen=True, kw_only=True):
    """A reader that has applied events which its upstream does not have.

    ``fork`` is the last position that both surely have, in ``fork_epoch``; ``ghosts`` how many
    positions are beyond it, ``effects`` what they appended here, by type. ``unknown``: why the
    upstream could not be read.
    """

    upstream: str
    epoch: str
    position: int
    stopped: str
    fork: int | None = None
    fork_epoch: str = ""
    ghosts: int = 0
    effects: dict[str, int] = {}
    unknown: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be recovered of a service.

    ``unpublished`` has the epochs before which events may be lost that the bus has never had, and
    ``unpublished_advice`` what staff do about these.
    """

    service: str
    confirmed: bool
    head: int
    epochs: list[EpochShown]
    unsearched: list[str]
    lost: list[Judged]
    readers: list[ReaderShown]
    quarantined: dict[str, int]
    unpublished: list[Unpublished] = []
    unpublished_advice: list[Advice] = []

    @property
    def left(self) -> list[Recovery]:
        """The recoveries that are not done."""
        found = [one.recovery for one in self.epochs if one.recovery is not None]
        return [one for one in found if one.done_at is None]

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to do."""
        return self.confirmed and not (self.unsearched or self.left or self.readers)


def status_of(
    store: PostgresStore, progress: Callable[[str, int | None], Any], *, ever: bool = False
) -> Status:
    """Return what is to be recovered of a service; ``progress`` opens a progress bar.

    With ``ever`` it has what became of the lost events of recoveries that are done, too.
    """
    service, handler = store.service, recovery_of(store.service)
    history, confirmed, found, unsearched = store.query(_recoveries)
    done = [one.epoch for one in found.values() if one.done_at is not None] if ever else []
    lost = store.query(
        lambda session: [
            *outcomes(session.cursor, done),
            *handler.judge(session, lost_events(session.cursor)),
        ]
    )
    silent = store.query(lambda session: unpublished(session.cursor))
    if not ever:
        # Earlier epochs, once they are recovered, are not told of again and again.
        done = [one.epoch for one in found.values() if one.done_at is not None]
        current = history.current.name
        silent = [one for one in silent if one.epoch == current or one.epoch not in done]
    return Status(
        service=service,
        confirmed=confirmed,
        head=history.head,
        epochs=[
            EpochShown(
                epoch=one.name,
                after=one.after,
                began_at=one.began_at,
                reason=one.reason,
                recovery=found.get(one.name),
            )
            for one in history.epochs
        ],
        unsearched=unsearched,
        lost=lost,
        readers=_readers(store, progress),
        quarantined=store.query(lambda session: _quarantined(session, service)),
        unpublished=silent,
        unpublished_advice=list(handler.unpublished()) if silent else [],
    )


def _recoveries(session: Any) -> tuple[LogHistory, bool, dict[str, Recovery], list[str]]:
    history, confirmed = stored_history(session.cursor)
    found = {one.epoch: one for one in recoveries(session.cursor)}
    return history, confirmed, found, epochs_to_search(session.cursor)


def _quarantined(session: Any, service: str) -> dict[str, int]:
    counts = {
        upstream: quarantine.count(session.cursor, upstream=upstream)
        for upstream in upstreams_of(service, load_settings().books)
    }
    return {upstream: count for upstream, count in counts.items() if count}


def _readers(store: PostgresStore, progress: Callable[[str, int | None], Any]) -> list[ReaderShown]:
    upstreams = upstreams_of(store.service, load_settings().books)
    points = store.query(
        lambda session: {name: read_point(session.cursor, name) for name in upstreams}
    )
    shown = []
    for upstream, point in points.items():
        reader = _reader(upstream, point)
        if reader is not None and reader.ghosts:
            reader = msgspec.structs.replace(reader, effects=_effects(store, reader, progress))
        if reader is not None:
            shown.append(reader)
    return shown


def _reader(upstream: str, point: ReadPoint) -> ReaderShown | None:
    """Return a reader that cannot go on; None for one that can."""
    shown = ReaderShown(
        upstream=upstream, epoch=point.epoch, position=point.position, stopped=point.stopped
    )
    try:
        with opened_store(upstream) as store:
            (history, confirmed), first = store.query(_upstream)
    except (Unavailable, ConfigurationError, psycopg.OperationalError) as error:
        why = _failure(error)
        return msgspec.structs.replace(shown, unknown=why) if point.stopped else None
    if not confirmed:
        why = text(
            "the log of {upstream} is not confirmed yet, its worker must run", upstream=upstream
        )
        return msgspec.structs.replace(shown, unknown=why) if point.stopped else None
    fits = history.fits(point.epoch, point.position)
    if fits and not point.stopped:
        return None
    fork = safe_position(history, point)
    if fork is None:
        fork = point.position if fits else _fork(history, point, first)
    return msgspec.structs.replace(
        shown,
        fork=fork,
        fork_epoch=history.epoch_at(fork).name,
        ghosts=point.position - fork,
    )


def _failure(error: Exception) -> str:
    """Return why an upstream could not be read, for the end of a sentence."""
    if isinstance(error, Unavailable):
        why = refusal_text(error)
    elif isinstance(error, psycopg.OperationalError):
        why = database_failure(error)
    else:
        why = str(error)
    return why.removesuffix(".")


def _upstream(session: Any) -> tuple[tuple[LogHistory, bool], int | None]:
    row = session.cursor.execute(_GHOSTS).fetchone()
    return stored_history(session.cursor), row["first"]


def _fork(history: LogHistory, point: ReadPoint, first_lost: int | None) -> int:
    """Return the last position that a reader surely shares with its upstream.

    Of an epoch that the upstream's log has lost as a whole, what the upstream knows to be lost says
    where the lines have parted.
    """
    if history.end_of(point.epoch) is not None:
        return history.fork_of(point.epoch, point.position)
    if first_lost is None:
        return 0
    return min(first_lost - 1, history.current.after, point.position)


def _effects(
    store: PostgresStore, reader: ReaderShown, progress: Callable[[str, int | None], Any]
) -> dict[str, int]:
    """Return how many events, by type, the ghosts that a reader has applied have appended here."""
    effects: dict[str, int] = {}
    first, last = (reader.fork or 0) + 1, reader.position
    title = text("events of {upstream} that were applied", upstream=reader.upstream)
    with progress(title, reader.ghosts) as advance:
        for begin in range(first, last + 1, BATCH):
            positions = range(begin, min(begin + BATCH, last + 1))
            ids = [
                command_id_of(store.service, event_id(reader.upstream, reader.epoch or "1", place))
                for place in positions
            ]
            for topic, events in store.query(partial(_appended, command_ids=ids)):
                effects[topic] = effects.get(topic, 0) + events
            advance(len(positions))
    return effects


def _appended(session: Any, command_ids: Sequence[Any]) -> list[tuple[str, int]]:
    rows = session.cursor.execute(_EFFECTS, (list(command_ids),)).fetchall()
    return [(row["topic"], row["events"]) for row in rows]
