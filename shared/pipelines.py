"""Pipelines of PostgreSQL: statements that go together, none waiting for the answer of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.generators import send
from psycopg.pq import TransactionStatus


class CountedPipeline(psycopg.Pipeline):
    """A pipeline after which the server counts how long its client leaves it idle, and which raises
    the first error that it meets.

    psycopg asks for a flush behind the end of a pipeline. Whatever arrives stops that clock, and
    only the reply to a statement starts it again: a process that is stopped then would hold its
    locks for as long as a whole transaction may take.

    What follows a statement that fails is skipped. Where that was noticed before the rest was sent,
    psycopg raises PipelineAborted for the rest, which looks like an outage, in place of the error.
    """

    def _exit_gen(self) -> Any:
        failed = False
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        except psycopg.Error:
            failed = True
            raise
        finally:
            try:
                if self.result_queue:
                    yield from send(self.pgconn)
                yield from self._fetch_gen(flush=False)  # the end of the pipeline has flushed
            except psycopg.Error:
                if not failed:
                    raise


def begin_with(
    connection: Any, transaction: psycopg.Transaction, first: Callable[[Any], object]
) -> psycopg.Error | None:
    """Begin a transaction and send a query; return the query's error if the server has refused it.

    Such an answer proves that the connection is alive: a pool that took another one for it would in
    the end report that there is none. Raises psycopg.OperationalError where it is not.
    """
    try:
        with connection.pipeline():
            transaction.__enter__()
            first(connection)
    except psycopg.Error as error:
        if error.diag.severity_nonlocalized != "ERROR":
            raise
        return error
    return None


def roll_back_failed(connection: Any) -> None:
    """Roll back where a pipeline has failed, which then has skipped its last statement."""
    if connection.info.transaction_status == TransactionStatus.INERROR:
        connection.rollback()
