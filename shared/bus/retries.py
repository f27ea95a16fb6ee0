"""Retries of parked messages: those that staff have asked for, and those that wait for something.

They are made by the worker, because a reaction calls other services in the name of its own, which
no user of the staff has, and writes in it. In the order of the log within a subject: a message
waits behind an earlier one that stays parked.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event as StopSignal
from typing import Any

from shared.bus import failures, parked, waiting
from shared.bus.leadership import Lead, LockConnection, lead
from shared.bus.messages import Reaction, Services
from shared.bus.reactions import Reactions
from shared.bus.reader import KilledItsReaderError
from shared.eventstore.events import UnknownTopicError
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

POLL_S = 1.0
PAGE = 500


class Retrier:
    """Retries messages of one service, until stopped."""

    def __init__(
        self,
        services: Services,
        store: PostgresStore,
        reactions: Mapping[str, Mapping[str, Reaction]],
        stop: StopSignal,
        locks: LockConnection | None = None,
    ) -> None:
        self._locks = locks
        self._services = services
        self._store = store
        self._reactions = {
            upstream: Reactions(services, store, upstream, handlers)
            for upstream, handlers in reactions.items()
        }
        self._stop = stop
        self._begun: set[int] = set()
        """Messages whose retry this process has counted, and not noted as ended."""

    def run(self) -> None:
        """Take the lock and retry; returns on stop, raises when the database is lost."""
        service = self._store.service
        lead(self._services.settings, service, "retries", self._stop, self._work, self._locks)

    def _work(self, lead: Lead) -> None:
        while not self._stop.is_set():
            lead.check()  # raises when another process leads by now
            if not self._is_any_due() or not any([self.retry_waiting(), self.retry_asked()]):
                self._stop.wait(POLL_S)

    def _is_any_due(self) -> bool:
        """Return whether there may be a message to retry: most of the time there is none."""
        return self._store.look(lambda session: parked.is_any_due(session.cursor))

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
            except UnknownTopicError:
                raise  # a newer version can read what this one cannot
            except Exception as error:  # noqa: BLE001 - noted with the message, its trace logged
                if failures.is_outage(error):
                    self._waits(error)
                    return False
                self._note(row["id"], error)
        return bool(rows)

    def retry_waiting(self) -> bool:
        """Try the messages that wait, the first of each subject; return whether one was handled.

        What was behind it may then be handled too.
        """
        rows = self._store.query(lambda session: waiting.due(session.cursor, PAGE))
        handled = 0
        for row in rows:
            if self._stop.is_set():
                return False
            try:
                self._handle(row["id"], row["upstream"])
            except parked.OutOfOrderError:
                continue  # what is before it came in between
            except UnknownTopicError:
                raise
            except waiting.NotYet as error:
                if row["over"]:
                    self._give_up(row["id"], error)
                else:
                    self._postpone(row)
            except Exception as error:  # noqa: BLE001 - parked with its trace
                if failures.is_outage(error):
                    self._waits(error)
                    return False
                self._give_up(row["id"], error)
            else:
                handled += 1
        return handled > 0

    def _retry(self, row: Mapping[str, Any]) -> None:
        """Retry one message; raises whatever its reaction does."""
        parked_id = row["id"]
        try:
            found = self._handle(parked_id, row["upstream"])
        except parked.OutOfOrderError:
            with self._store.session() as session:
                parked.cancel_retry(session.cursor, parked_id)
        else:
            if found:  # else staff have dropped it
                log.warning(
                    "parked_retried",
                    service=self._store.service,
                    parked_id=parked_id,
                    asked_by=row["retry_asked_by"],
                )

    def _handle(self, parked_id: int, upstream: str) -> bool:
        """Handle one message and delete it; return whether it was there.

        Nobody else appends meanwhile, so that no conflict is left to lose.
        """
        if parked_id not in self._begun:
            with self._store.transaction() as cursor:
                begun = parked.begin_retry(cursor, parked_id)
            if begun > parked.MOST_KILLED:
                raise KilledItsReaderError(f"{begun - 1} processes ended")
            self._begun.add(parked_id)
        try:
            with self._store.session() as session:
                self._store.recorder.lock(session.cursor)
                session.from_log = True
                found = parked.retry(
                    session.cursor,
                    parked_id,
                    lambda message: self._reactions[upstream].handle(session, message),
                )
        except Exception:
            # Whatever it is, this process has outlived it. Where that cannot be noted, it is not
            # counted again by this process.
            with self._store.transaction() as cursor:
                parked.end_retry(cursor, parked_id)
            self._begun.discard(parked_id)
            raise
        self._begun.discard(parked_id)
        return found

    def _postpone(self, row: Mapping[str, Any]) -> None:
        with self._store.transaction() as cursor:
            waiting.postpone(cursor, row["id"], row["attempts"])

    def _give_up(self, parked_id: int, error: Exception) -> None:
        """Park a message that has waited, and those behind it."""
        error_id = self._noted("waiting_parked", parked_id, error)
        with self._store.transaction() as cursor:
            waiting.give_up(cursor, parked_id, reason=failures.failure_of(error), error_id=error_id)

    def _note(self, parked_id: int, error: Exception) -> None:
        error_id = self._noted("parked_retry_failed", parked_id, error)
        with self._store.session() as session:
            parked.note_failure(
                session.cursor, parked_id, reason=failures.failure_of(error), error_id=error_id
            )

    def _noted(self, event: str, parked_id: int, error: Exception) -> str:
        return failures.noted(event, error, service=self._store.service, parked_id=parked_id)

    def _waits(self, error: Exception) -> None:
        log.warning("retry_waits", service=self._store.service, error=type(error).__name__)
