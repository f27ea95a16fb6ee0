"""Finding what a log has lost, and bringing back what an operator has asked for: a job.

Where a new epoch began, the broker's stream still has what was published before it. What of that
the log does not have is kept in ``lost_events``, before the stream forgets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from shared import context
from shared.bus.epochs import read_history
from shared.bus.readable_losses import Handler
from shared.bus.searching import search
from shared.errors import ServiceError, Unavailable
from shared.eventstore.lost_events import (
    Recovery,
    epochs_to_search,
    finish_recoveries,
    lost_events,
    note_failure,
    note_search_failure,
    recoveries,
)
from shared.logs import get_logger

log = get_logger(__name__)


def recover(services: Any, handler: Handler) -> int:
    """Look for what was lost, and bring back what was asked for (a job).

    Return 1 where a part of the stream is still to be searched.
    """
    store = services.store
    try:
        with store.transaction() as cursor:
            read_history(cursor)
            wanted = epochs_to_search(cursor)
    except Unavailable:
        return 0  # the relay has not compared the log with the bus yet
    for epoch in wanted:
        try:
            if not search(services, handler, epoch):
                return 1  # at once, after the other jobs that are due
        except Exception as error:
            # The runner logs it, and runs this again after pauses that grow.
            with store.transaction() as cursor:
                note_search_failure(cursor, epoch, type(error).__name__)
            raise
    with store.transaction() as cursor:
        asked = [one for one in recoveries(cursor, left=True) if one.asked_at is not None]
    if asked:
        _bring_back(services, handler, asked)
    return 0


def _bring_back(services: Any, handler: Handler, asked: Sequence[Recovery]) -> None:
    store, epochs = services.store, [one.epoch for one in asked]
    try:
        lost = store.query(lambda session: lost_events(session.cursor))
        with context.bind(actor=asked[-1].asked_by):
            judged = list(handler.bring_back(services, lost))
    except (ServiceError, psycopg.OperationalError) as error:
        failure = error.code if isinstance(error, ServiceError) else type(error).__name__
        log.warning("recovery_waits", service=store.service, error=failure)
        with store.transaction() as cursor:
            note_failure(cursor, epochs, failure, again=isinstance(error, Unavailable))
    except Exception as error:
        log.exception("recovery_failed", service=store.service)
        with store.transaction() as cursor:
            note_failure(cursor, epochs, type(error).__name__, again=False)
    else:
        with store.transaction() as cursor:
            finish_recoveries(cursor, epochs, judged)
        log.warning(
            "log_recovered",
            service=store.service,
            epochs=epochs,
            events=len(judged),
            asked_by=asked[-1].asked_by,
        )
