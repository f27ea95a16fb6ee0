"""Subscriptions of the `eventsourcing` library to the log.

The library's own would do, but for three things. What commits between its first read and its LISTEN
is seen only with the next commit. With topics that are rare it reads the log again from the last
match at every commit, to any length. And it crashes in a process that eventlet has patched, where
this one refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from time import monotonic

import psycopg
from eventsourcing import persistence
from eventsourcing.persistence import ApplicationRecorder, ListenNotifySubscription, ShutDown
from psycopg import sql

POLL_S = 5.0
"""How often the log is read without a notification, which covers a lost one."""
STOP_S = 0.2
"""How long a stopped subscription takes to end at most."""
WINDOW = 50_000
"""How many positions one query reads at most, however few of them have a wanted topic."""

_ERRORS = {
    psycopg.DataError: persistence.DataError,
    psycopg.IntegrityError: persistence.IntegrityError,
    psycopg.InterfaceError: persistence.InterfaceError,
    psycopg.InternalError: persistence.InternalError,
    psycopg.NotSupportedError: persistence.NotSupportedError,
    psycopg.OperationalError: persistence.OperationalError,
    psycopg.ProgrammingError: persistence.ProgrammingError,
    psycopg.DatabaseError: persistence.DatabaseError,
    psycopg.Error: persistence.PersistenceError,
}


@contextmanager
def library_errors() -> Iterator[None]:
    """Raise the library's errors for those of the database."""
    try:
        yield
    except psycopg.Error as error:
        nearest = next(_ERRORS[cls] for cls in type(error).__mro__ if cls in _ERRORS)
        raise nearest(str(error)) from error


class LogSubscription(ListenNotifySubscription[ApplicationRecorder]):
    """Yields the events after a position, then new ones as they commit, until it is stopped.

    A lost connection ends it with the library's OperationalError; whoever tracks what he has read
    subscribes again from there.
    """

    def __init__(
        self,
        recorder: ApplicationRecorder,
        conninfo: str,
        channel: str,
        gt: int | None = None,
        topics: Sequence[str] = (),
    ) -> None:
        # It is only looked up: a process that is not patched must not load eventlet.
        patcher = sys.modules.get("eventlet.patcher")
        if patcher is not None and patcher.is_monkey_patched("thread"):
            raise persistence.NotSupportedError(
                "the library's subscriptions crash when eventlet has patched the threads: "
                "subscribe in a process of its own, or to the service's exchange"
            )
        super().__init__(recorder, gt, topics)
        self._conninfo = conninfo
        self._channel = channel
        self._listen_thread = Thread(target=self._listen)
        self._listen_thread.start()

    def __exit__(self, *args: object, **kwargs: object) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listen_thread.join()

    def _listen(self) -> None:
        try:
            with library_errors(), psycopg.connect(self._conninfo, autocommit=True) as connection:
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                self._wake_until_stopped(connection)
        except BaseException as error:  # noqa: BLE001 - the reading thread raises it
            self._thread_error = self._thread_error or error
            self.stop()

    def _wake_until_stopped(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._has_been_notified.set()  # of what was committed before LISTEN
        due = monotonic() + POLL_S
        while not self._has_been_stopped:
            notified = [*connection.notifies(timeout=STOP_S, stop_after=1)]
            if notified or monotonic() >= due:
                self._has_been_notified.set()
                due = monotonic() + POLL_S

    def _pull(self) -> None:
        """Queue what is new."""
        if self._topics:
            self._pull_topics()
        else:
            super()._pull()

    def _pull_topics(self) -> None:
        """Queue what is new, window by window, and go on behind the last one.

        Positions follow the order of commit, so nothing appears below the last any more.
        """
        while not self._has_been_stopped:
            self._has_been_notified.clear()
            begin, last = self._last_notification_id or 0, self._recorder.max_notification_id() or 0
            stop = min(last, begin + WINDOW)
            found = self._recorder.select_notifications(
                begin, self._select_limit, stop, self._topics, inclusive_of_start=False
            )
            if found:
                try:
                    self._notifications_queue.put(found)
                except ShutDown:
                    return
            full = len(found) == self._select_limit
            self._last_notification_id = found[-1].id if full else max(begin, stop)
            if not full and stop >= last:
                return
