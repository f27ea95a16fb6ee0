"""A job runs in one of the workers: it is judged by the last time that any of them has run it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from tests.faults.checker.unresolved import RUN_S, _jobs

JOB = 'job_name="make_refunds"'


def page_of(started: float, succeeded: float | None = None) -> str:
    """Return the metrics of a worker; without a success it stands by."""
    lines = [
        f'saldo_job_runs_total{{{JOB},outcome="ok",service="payments"}} 0.0',
        f"process_start_time_seconds {started}",
    ]
    if succeeded is not None:
        name = "saldo_job_last_success_timestamp_seconds"
        lines.append(f'{name}{{{JOB},service="payments"}} {succeeded}')
    return "\n".join([*lines, ""])


@contextmanager
def worker(page: str) -> Iterator[str]:
    """Serve the metrics of a worker, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


def found(*pages: str) -> list[str]:
    """Return which jobs the checker misses, of workers with these metrics."""
    ends = ("", "_2")
    with worker(pages[0]) as first, worker(pages[-1]) as second:
        urls = dict(zip(ends, (first, second), strict=True))
        environment = {f"SALDO_MONITORING_URL_WORK{end}": urls[end] for end in ends[: len(pages)]}
        evidence = SimpleNamespace(environment=environment, did=lambda _: False)
        return [one.key for one in _jobs(evidence)]  # type: ignore[arg-type]


def test_job_that_runs_in_the_other_worker_is_not_missed() -> None:
    old, now = time.time() - 10 * RUN_S, time.time()
    waits = page_of(old)
    assert found(waits, page_of(old, now)) == []
    assert found(page_of(old, now), waits) == []


def test_job_that_runs_nowhere_is_missed_once() -> None:
    old = time.time() - 10 * RUN_S
    waits = page_of(old)
    assert len(found(waits)) == 1
    assert len(found(waits, page_of(old, old))) == 1


def test_worker_that_has_just_started_has_time() -> None:
    old, now = time.time() - 10 * RUN_S, time.time()
    assert found(page_of(old), page_of(now)) == []
