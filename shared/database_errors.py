"""What an error of PostgreSQL means, decided once for all who meet one.

psycopg's classes do not say it: a server that has become a standby answers with
ReadOnlySqlTransaction, and ends a transaction that was idle for too long with
IdleInTransactionSessionTimeout, both of them InternalError there; so SQLSTATE decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import psycopg

from shared.errors import Unavailable
from shared.logs import get_logger

log = get_logger(__name__)


class Failure(Enum):
    """What an error of the database means for whoever asked."""

    UNAVAILABLE = "unavailable"
    """The node is away, is not the one to write to, or has ended the session or the transaction:
    the outcome of a commit is unknown. Others must not count it as their own failure."""
    FULL = "full"
    """The node has no room left to write: unavailable until somebody makes room."""
    CONTENDED = "contended"
    """Somebody else was faster, or holds what is needed: decide again on fresh state."""
    DEFECT = "defect"
    """The statement or the data is wrong; the same again will fail again."""


_UNAVAILABLE_CLASSES = frozenset({
    "08",  # connection exceptions; TransactionResolutionUnknown
    "53",  # too many connections, out of memory
    "57",  # shutdown, crash, starting up, cancelled: also by statement_timeout
    "58",  # input and output errors of the node
})  # fmt: skip
_UNAVAILABLE_STATES = frozenset({
    "25006",  # ReadOnlySqlTransaction: a standby, or a primary that was told to write no more
    "25P03",  # IdleInTransactionSessionTimeout
    "25P04",  # TransactionTimeout
    "40003",  # StatementCompletionUnknown
    "55000",  # ObjectNotInPrerequisiteState: "recovery is in progress"
})  # fmt: skip
_FULL_STATES = frozenset({"53100"})
"""DiskFull. A server that cannot write its WAL ends instead: its connections break."""
_CONTENDED_STATES = frozenset({
    "23505",  # UniqueViolation
    "40001",  # SerializationFailure, also a conflict with recovery on a standby
    "40P01",  # DeadlockDetected
    "55P03",  # LockNotAvailable
})  # fmt: skip


def failure_of(error: BaseException) -> Failure:
    """Return what an error means; DEFECT for one that is not of the database."""
    if not isinstance(error, psycopg.Error):
        return Failure.DEFECT
    state = error.sqlstate
    if state is None:
        return _without_state(error)
    if state in _FULL_STATES:
        return Failure.FULL
    if state in _CONTENDED_STATES:
        return Failure.CONTENDED
    if state in _UNAVAILABLE_STATES or state[:2] in _UNAVAILABLE_CLASSES:
        return Failure.UNAVAILABLE
    return Failure.DEFECT


def _without_state(error: psycopg.Error) -> Failure:
    """Classify what the client itself raises: no connection, a broken one, none free in time."""
    if isinstance(error, psycopg.OperationalError):
        return Failure.UNAVAILABLE
    # "cannot execute operations: the connection is in status BAD"
    if isinstance(error, psycopg.InterfaceError) and "connection is in status" in str(error):
        return Failure.UNAVAILABLE
    return Failure.DEFECT


def is_transient(error: BaseException) -> bool:
    """Return whether the same may succeed later: an outage or a conflict with somebody else."""
    return failure_of(error) is not Failure.DEFECT


def unavailable(error: BaseException) -> Unavailable:
    """Return the refusal for an outage or a conflict; it quotes nothing of the error."""
    match failure_of(error):
        case Failure.CONTENDED:
            return Unavailable("contended", "Too many changes at the same time; send it again.")
        case Failure.FULL:
            log.error("database_full", error=type(error).__name__)
            why = "The database has no room left: an operator must make some"
        case _:
            why = "The database did not respond"
    return Unavailable(
        "database_unavailable",
        f"{why}, so the outcome is unknown; send the same command again.",
    )


@contextmanager
def outages_refused() -> Iterator[None]:
    """Raise Unavailable in the place of an outage or a conflict; everything else as it is."""
    try:
        yield
    except psycopg.Error as error:
        if not is_transient(error):
            raise
        raise unavailable(error) from error
