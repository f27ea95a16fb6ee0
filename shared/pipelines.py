"""Pipelines of PostgreSQL: statements that go together, none waiting for the answer of another."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.generators import send


class CountedPipeline(psycopg.Pipeline):
    """A pipeline after which the server counts how long its client leaves it idle.

    psycopg asks for a flush behind the end of a pipeline. Whatever arrives stops that clock, and
    only the reply to a statement starts it again: a process that is stopped then would hold its
    locks for as long as a whole transaction may take.
    """

    def _exit_gen(self) -> Any:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            if self.result_queue:
                yield from send(self.pgconn)
            yield from self._fetch_gen(flush=False)  # the end of the pipeline has flushed
