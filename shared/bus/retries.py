"""Retries of parked messages that staff have asked for.

They are made by the worker, because a reaction calls other services in the name of its own, which
no user of the staff has, and writes in it. In the order of the log within a subject: a message
waits behind an earlier one that stays parked.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from threading import Event as StopSignal
from typing import Any

from shared.bus import parked
from shared.bus.leadership import Lead, lead
from shared.bus.listen import TRANSIENT
from shared.bus.messages import Reaction, Services
from shared.bus.reactions import Reactions
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from shared.logs import get_logger

log = get_logger(__name__)

POLL_S = 1.0
PAGE = 500


class Retrier:
    """Retries what staff have asked for in one service, until stopped."""

    def __init__(
        self,
        services: Services,
        store: PostgresStore,
        reactions: Mapping[str, Mapping[str, Reaction]],
        stop: StopSignal,
    ) -> None:
        self._services = services
        self._store = store
        self._reactions = {
            upstream: Reactions(services, store, upstream, handlers)
            for upstream, handlers in reactions.items()
        }
        self._stop = stop

    def run(self) -> None:
        """Take the lock and retry; returns on stop, raises when the database is lost."""
        lead(self._services.settings, self._store.service, "retries", self._stop, self._work)

    def _work(self, lead: Lead) -> None:
        while not self._stop.is_set():
            lead.check()  # raises when another process leads by now
            if not self.retry_asked():
                self._stop.wait(POLL_S)

    def retry_asked(self) -> bool:
        """Retry a page of messages; return whether there may be more at once.

        A service or a node that is unavailable ends it: no message is to blame, and all are asked
        for as before.
        """
        rows = self._store.query(lambda session: parked.asked(session.cursor, PAGE))
        for row in rows:
            if self._stop.is_set():
                return False
            try:
                self._retry(row)
            except TRANSIENT as error:
                log.warning("retry_waits", service=self._store.service, error=type(error).__name__)
                return False
        return bool(rows)

    def _retry(self, row: Mapping[str, Any]) -> None:
        """Retry one message, and note what became of it; raises what is no fault of its own."""
        parked_id, upstream = row["id"], row["upstream"]
        try:
            with self._store.session() as session:
                found = parked.retry(
                    session.cursor,
                    parked_id,
                    lambda message: self._reactions[upstream].handle(session, message),
                )
        except parked.OutOfOrderError:
            with self._store.session() as session:
                parked.cancel_retry(session.cursor, parked_id)
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 - noted with the message, its trace logged
            self._note(parked_id, error)
        else:
            if found:  # else staff have dropped it
                log.warning(
                    "parked_retried",
                    service=self._store.service,
                    parked_id=parked_id,
                    asked_by=row["retry_asked_by"],
                )

    def _note(self, parked_id: int, error: Exception) -> None:
        error_id, name = str(new_id()), type(error).__name__
        log.error(
            "parked_retry_failed",
            service=self._store.service,
            parked_id=parked_id,
            error_id=error_id,
            error=name,
            trace="".join(traceback.format_tb(error.__traceback__))[-4000:],
        )
        with self._store.session() as session:
            parked.note_failure(session.cursor, parked_id, reason=name, error_id=error_id)
