"""Jobs: scheduled work of a service (send letters, poll the acquirer), in one process at a time.

A job that fails is run again by its schedule, after pauses that grow, and stops no other job.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event as StopSignal

from shared import context, telemetry
from shared.bus.leadership import Lead, LockConnection, lead
from shared.bus.messages import Job, Services
from shared.bus.reader import StoppedError
from shared.ids import new_id
from shared.logs import get_logger, trace_of

log = get_logger(__name__)

CHECKED_S = 0.2
"""How long the lead is taken for granted: jobs that are due at a time share a check."""
SHORTEST_BACK_OFF_S, LONGEST_BACK_OFF_S = 0.5, 15.0
"""The pause after a failure doubles up to that, or to what the schedule has anyway."""


class JobRunner:
    """Runs the jobs of one service behind an advisory lock."""

    def __init__(
        self,
        service: str,
        services: Services,
        jobs: Sequence[Job],
        stop: StopSignal,
        locks: LockConnection | None = None,
    ) -> None:
        self._locks = locks
        self._service = service
        self._services = services
        self._jobs = jobs
        self._stop = stop

    def run(self) -> None:
        """Run the jobs until stopped; raises when the database is lost."""
        lead(self._services.settings, self._service, "jobs", self._stop, self._work, self._locks)

    def _work(self, lead: Lead) -> None:
        log.info("jobs_ready", service=self._service, jobs=[job.name for job in self._jobs])
        due = dict.fromkeys(self._jobs, 0.0)
        failures = dict.fromkeys(self._jobs, 0)
        for job in self._jobs:
            telemetry.of_job(self._service, job.name)
        checked_at = float("-inf")
        while not self._stop.is_set():
            job = min(due, key=lambda job: due[job])
            wait = due[job] - time.monotonic()
            if wait > 0:
                self._stop.wait(wait)
                continue
            if time.monotonic() - checked_at >= CHECKED_S:
                lead.check()  # raises when another process leads by now
                checked_at = time.monotonic()
            failures[job], pause = self._run(job, failures[job])
            due[job] = time.monotonic() + pause

    def _run(self, job: Job, failures: int) -> tuple[int, float]:
        """Run a job; return how often in a row it has failed, and the pause until its next run.

        The jobs behind one that fails are run all the same.
        """
        try:
            with (
                # Each run is a journey of its own, not that of the thread.
                context.bind(actor=f"service:{self._service}", correlation_id=str(new_id())),
                telemetry.job_run(self._service, job.name),
            ):
                done = job.run(self._services)
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - logged and counted; it is run again
            log.error(  # noqa: TRY400 - without the text, which may quote data
                "job_failed",
                service=self._service,
                job=job.name,
                error_id=str(new_id()),
                error=type(error).__name__,
                failures=failures + 1,
                trace=trace_of(error),
            )
            pause = max(job.every, SHORTEST_BACK_OFF_S) * 2 ** min(failures, 10)
            return failures + 1, min(pause, max(job.every, LONGEST_BACK_OFF_S))
        return 0, 0.0 if done else job.every
