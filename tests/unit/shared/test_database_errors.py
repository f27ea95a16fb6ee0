"""Each error of the database has its class, whatever psycopg derives it from."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from shared.database_errors import (
    Failure,
    failure_of,
    is_transient,
    outages_refused,
    unavailable,
)
from shared.errors import Unavailable

UNAVAILABLE = (
    PoolTimeout("no connection"),
    psycopg.OperationalError("server closed the connection unexpectedly"),
    psycopg.InterfaceError("cannot execute operations: the connection is in status 1"),
    errors.AdminShutdown(),
    errors.CrashShutdown(),
    errors.CannotConnectNow(),
    errors.ReadOnlySqlTransaction(),
    errors.IdleInTransactionSessionTimeout(),
    errors.TransactionTimeout(),
    errors.QueryCanceled(),
    errors.TooManyConnections(),
    errors.OutOfMemory(),
    errors.IoError(),
    errors.ConnectionFailure(),
    errors.TransactionResolutionUnknown(),
    errors.StatementCompletionUnknown(),
    errors.ObjectNotInPrerequisiteState(),
)
CONTENDED = (
    errors.SerializationFailure(),
    errors.DeadlockDetected(),
    errors.LockNotAvailable(),
    errors.UniqueViolation(),
)
DEFECTS = (
    psycopg.InterfaceError("the cursor is closed"),
    psycopg.ProgrammingError("the query has 1 placeholder but 2 parameters were passed"),
    errors.UndefinedColumn(),
    errors.InsufficientPrivilege(),
    errors.ForeignKeyViolation(),
    errors.NumericValueOutOfRange(),
    errors.InFailedSqlTransaction(),
    errors.DataCorrupted(),
    ValueError("not of the database"),
)


@pytest.mark.parametrize("error", UNAVAILABLE, ids=lambda error: type(error).__name__)
def test_error_of_a_node_that_cannot_serve_is_an_outage(error: Exception) -> None:
    assert failure_of(error) is Failure.UNAVAILABLE
    assert is_transient(error)


@pytest.mark.parametrize("error", CONTENDED, ids=lambda error: type(error).__name__)
def test_error_of_contention_is_transient_but_no_outage(error: Exception) -> None:
    assert failure_of(error) is Failure.CONTENDED
    assert is_transient(error)


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
def test_error_that_will_come_again_is_a_defect(error: Exception) -> None:
    assert failure_of(error) is Failure.DEFECT
    assert not is_transient(error)


def test_full_disk_is_an_outage_of_its_own_class() -> None:
    assert failure_of(errors.DiskFull()) is Failure.FULL
    assert is_transient(errors.DiskFull())


def test_refusal_quotes_nothing_of_the_error() -> None:
    error = errors.UniqueViolation("Key (email)=(a@example.org) already exists.")
    with pytest.raises(Unavailable) as refused, outages_refused():
        raise error
    assert "example.org" not in refused.value.message
    assert refused.value.code == "contended"
    assert unavailable(errors.AdminShutdown()).code == "database_unavailable"


def test_defect_passes_as_it_is() -> None:
    with pytest.raises(errors.UndefinedColumn), outages_refused():
        raise errors.UndefinedColumn
