"""Jobs: one that fails stops no other, and is run again after pauses that grow."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.bus import jobs
from shared.bus.jobs import JobRunner
from shared.bus.leadership import LeadLostError
from shared.bus.messages import Job

QUOTED = "4510 123456"
"""What an error may quote, and no log."""


class Lead:
    """Leads until it is told otherwise."""

    lost = False

    def check(self) -> None:
        if self.lost:
            raise LeadLostError("jobs")


class Time:
    """Passes when somebody waits for it."""

    def __init__(self, until: float) -> None:
        self.now = 0.0
        self._until = until
        self.stop = SimpleNamespace(is_set=lambda: self.now >= self._until, wait=self.wait)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time(until=120.0)
    monkeypatch.setattr(jobs, "time", made)
    return made


def run(minutes: Time, *scheduled: Job, lead: Any = None) -> None:
    services: Any = SimpleNamespace()
    stop: Any = minutes.stop
    JobRunner("ledger", services, scheduled, stop)._work(lead or Lead())


def runs(job: str, outcome: str) -> float:
    labels = {"service": "ledger", "job_name": job, "outcome": outcome}
    return REGISTRY.get_sample_value("saldo_job_runs_total", labels) or 0.0


def test_job_that_fails_stops_no_other_and_backs_off(minutes: Time) -> None:
    failed: list[float] = []
    done: list[float] = []

    def fails(_: Any) -> int:
        failed.append(minutes.now)
        raise KeyError(QUOTED)

    def works(_: Any) -> int:
        done.append(minutes.now)
        return 0

    with capture_logs() as entries:
        run(minutes, Job("broken", 1.0, fails), Job("sound", 5.0, works))
    assert len(done) == 24
    pauses = [round(later - before) for before, later in pairwise(failed)]
    assert pauses[:6] == [1, 2, 4, 8, 15, 15]
    assert runs("broken", "failed") == len(failed)
    logged = [entry for entry in entries if entry["event"] == "job_failed"]
    assert [entry["failures"] for entry in logged] == list(range(1, len(failed) + 1))
    assert QUOTED not in str(logged)


def test_job_that_works_again_has_its_schedule_again(minutes: Time) -> None:
    began: list[float] = []

    def recovers(_: Any) -> int:
        began.append(minutes.now)
        if len(began) <= 3:
            raise KeyError
        return 0

    run(minutes, Job("recovers", 1.0, recovers))
    pauses = [round(later - before) for before, later in pairwise(began)]
    assert pauses[:5] == [1, 2, 4, 1, 1]


def test_rare_job_that_fails_waits_no_longer_than_its_schedule(minutes: Time) -> None:
    began: list[float] = []

    def fails(_: Any) -> int:
        began.append(minutes.now)
        raise KeyError

    run(minutes, Job("rare", 50.0, fails))
    assert [round(moment) for moment in began] == [0, 50, 100]


def test_lost_lead_ends_the_runner(minutes: Time) -> None:
    lead = Lead()

    def loses(_: Any) -> int:
        lead.lost = True
        return 1

    with pytest.raises(LeadLostError):
        run(minutes, Job("loses", 1.0, loses), lead=lead)
