"""The sealer's process: the only one with the private key, under a login of its own.

Two tasks, each in one process at a time: sealing, every few seconds and whenever somebody asks
(NOTIFY ``ledger_seal``, for a book ``ledger_<book>_seal``), and giving checkpoints to witnesses.
The second never holds up the first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Event as StopSignal
from typing import Any

import psycopg

from services.ledger.seal.keys import environ_of, naming_settings_of, seal_keys
from services.ledger.seal.publishing import Publisher
from services.ledger.seal.requests import answers_of, leader_of, requests_of
from services.ledger.seal.rotation import rotate
from services.ledger.seal.sealer import ForkError, lock_seal, seal_log
from services.ledger.seal.tiles import SealBrokenError
from services.ledger.seal.witnesses import WitnessError, witnesses_of
from shared import telemetry
from shared.books import SPLIT
from shared.bus.leadership import lead_on
from shared.config import SEALER, ConfigurationError, Settings
from shared.database import connection_info
from shared.database_errors import is_transient
from shared.eventstore.lost_events import LostLog
from shared.logs import get_logger

log = get_logger(__name__)

SEAL_SECONDS = 15.0
WITNESS_SECONDS = 1.0
_POLL_SECONDS = 0.5
_DERIVED = "the last one followed from SALDO_SECRET"


class SealingTasks:
    """What the sealer's process does until it is stopped; each task raises when it loses the
    database, and may then be run again. ``log`` is that of the ledger, or of a book of it.
    """

    def __init__(
        self,
        settings: Settings,
        stop: StopSignal,
        environ: Mapping[str, str] | None = None,
        log: str = SPLIT,
    ) -> None:
        """Check the keys and the witnesses; raises ConfigurationError."""
        url = settings.sealer_url_of(log) or settings.database_url_of(SEALER)
        self._log = log
        self._info = connection_info(url, log, statement_timeout_ms=0)
        self._environ = environ_of(log, environ)
        self._stop = stop
        with naming_settings_of(log):
            self._witnesses = witnesses_of(settings, self._environ)
            seal_keys(self._environ)
        self._compared = False

    def seal(self) -> None:
        """Seal new events as they come."""
        lead_on(self._info, leader_of(self._log), self._stop, self._seal_on)

    def publish(self) -> None:
        """Give checkpoints to the witnesses."""
        lead_on(self._info, f"{leader_of(self._log)}.witnesses", self._stop, self._publish_on)

    def is_ready(self) -> bool:
        """Return whether the database answers."""
        try:
            with psycopg.connect(self._info) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            if not is_transient(error):
                raise
            return False
        return True

    def _seal_on(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {requests_of(self._log)}")
        self._compared = False
        log.info("sealer_ready", log=self._log)
        while not self._stop.is_set():
            try:
                while self._seal_some(connection) and not self._stop.is_set():
                    pass
                telemetry.SEAL_BROKEN.set(0)
            except (SealBrokenError, ConfigurationError) as error:
                # Nothing is signed until somebody has looked; all else goes on.
                telemetry.SEAL_BROKEN.set(1)
                log.error("seal_broken", reason=str(error))  # noqa: TRY400 - the reason suffices
            self._wait(connection)

    def _seal_some(self, connection: psycopg.Connection[Any]) -> bool:
        """Seal a bounded number of events; return whether there were any."""
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 0")
            lock_seal(cursor)  # before the keys are read: nobody changes them from here on
            keys = seal_keys(self._environ)
            if keys.derived:
                log.info("seal_key_changed", key=str(rotate(cursor, self._environ, _DERIVED)))
                keys = seal_keys(self._environ)
            lost = LostLog(cursor)
            if not lost.is_searched():
                return False  # the relay compares the log with the bus first
            if lost.is_open():
                raise ForkError(
                    "events may be lost that nobody has brought back: call `saldo ledger recover`"
                )
            sealed = seal_log(cursor, keys, kept=self._kept())
            if sealed is None or not sealed.added:
                self._compared = True
                return False
            cursor.execute("SELECT pg_notify(%s, %s)", (answers_of(self._log), str(sealed.size)))
        self._compared = True
        telemetry.SEALED_EVENTS.inc(sealed.added)
        telemetry.SEAL_SUCCESS.set_to_current_time()
        return True

    def _kept(self) -> list[str]:
        """Return what witnesses keep, once for each connection: a restore ends them all."""
        if self._compared:
            return []
        kept = list[str]()
        for witness in self._witnesses:
            try:
                kept += witness.kept()
            except WitnessError as error:
                log.error(  # noqa: TRY400 - the reason suffices
                    "witness_unreadable", witness=witness.name, reason=str(error)
                )
        return kept

    def _wait(self, connection: psycopg.Connection[Any]) -> None:
        """Wait until it is time to seal, or somebody asks for it."""
        ends = time.monotonic() + SEAL_SECONDS
        while not self._stop.is_set() and time.monotonic() < ends:
            if list(connection.notifies(timeout=_POLL_SECONDS, stop_after=1)):
                return

    def _publish_on(self, connection: psycopg.Connection[Any]) -> None:
        publisher = Publisher(self._witnesses)
        while not self._stop.wait(WITNESS_SECONDS):
            publisher.publish_due(connection.cursor())
