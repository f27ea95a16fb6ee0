"""Payments with a span of each, beside the same without: what traces cost when they are on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared import tracing
from tests.bench.company import Bench
from tests.bench.measure import Result, compare
from tests.bench.payments import CALLERS, EACH, post_singly, prepare


class _Sink(BaseHTTPRequestHandler):
    """Takes what is sent, and looks at nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def traced(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure single payments by group commit with a span of each command."""
    prepare(bench)

    def with_traces() -> float:
        with _sink() as url:
            tracing.start(url)
            try:
                return post_singly(bench)
            finally:
                tracing.stop()

    return compare(
        f"single payments, {CALLERS} callers, traces on",
        "payments/s",
        CALLERS * EACH,
        with_traces,
        "the same, traces off",
        lambda: post_singly(bench),
        progress=progress,
    )


@contextmanager
def _sink() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
