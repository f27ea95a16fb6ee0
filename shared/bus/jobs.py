"""Jobs: scheduled work of a service (send letters, poll the acquirer), in one process at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event as StopSignal

from shared import context, telemetry
from shared.bus.leadership import Lead, lead
from shared.bus.messages import Job, Services
from shared.ids import new_id
from shared.logs import get_logger

log = get_logger(__name__)


class JobRunner:
    """Runs the jobs of one service behind an advisory lock."""

    def __init__(
        self, service: str, services: Services, jobs: Sequence[Job], stop: StopSignal
    ) -> None:
        self._service = service
        self._services = services
        self._jobs = jobs
        self._stop = stop

    def run(self) -> None:
        """Run the jobs until stopped; raises when the database is lost."""
        lead(self._services.settings, self._service, "jobs", self._stop, self._work)

    def _work(self, lead: Lead) -> None:
        log.info("jobs_ready", service=self._service, jobs=[job.name for job in self._jobs])
        due = dict.fromkeys(self._jobs, 0.0)
        for job in self._jobs:
            telemetry.of_job(self._service, job.name)
        while not self._stop.is_set():
            job = min(due, key=lambda job: due[job])
            wait = due[job] - time.monotonic()
            if wait > 0:
                self._stop.wait(wait)
                continue
            lead.check()  # raises when another process leads by now
            with (
                # Each run is a journey of its own, not that of the thread.
                context.bind(actor=f"service:{self._service}", correlation_id=str(new_id())),
                telemetry.job_run(self._service, job.name),
            ):
                done = job.run(self._services)
            due[job] = time.monotonic() + (0.0 if done else job.every)
