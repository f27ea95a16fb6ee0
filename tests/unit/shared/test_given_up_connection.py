"""A connection that is given up in the middle of a statement says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from time import monotonic
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from shared.database import (
    CONNECT_TIMEOUT_S,
    FRESH_S,
    BoundedConnection,
    autocommit_cursor,
    unchecked_cursor,
)


class _Connection:
    """As psycopg's: on a closed one the mode cannot be changed."""

    closed = False
    used_at = 0.0
    clock = None
    patience_s: float | None = 35.0
    _autocommit = False

    def __init__(self) -> None:
        self.patience: list[float | None] = []
        """How long each wait for the server might take."""

    @property
    def autocommit(self) -> bool:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if self.closed:
            raise psycopg.ProgrammingError("can't change 'autocommit' now")
        self._autocommit = value

    @property
    def info(self) -> Any:
        status = TransactionStatus.UNKNOWN if self.closed else TransactionStatus.IDLE
        return SimpleNamespace(transaction_status=status)

    def execute(self, _: str) -> None:
        self.patience.append(self.patience_s)

    def cursor(self) -> Any:
        return nullcontext()

    def close(self) -> None:
        self.closed = True


class _Pool:
    def __init__(self) -> None:
        self.one = _Connection()

    @contextmanager
    def connection(self) -> Iterator[_Connection]:
        yield self.one

    def getconn(self) -> _Connection:
        check: Any = BoundedConnection.check_alive
        check(self.one)
        return self.one

    def putconn(self, connection: _Connection) -> None:
        assert connection is self.one

    def give_up(self) -> None:
        self.one.closed = True
        raise psycopg.OperationalError("the connection is given up")


def test_connection_that_is_given_up_keeps_its_error() -> None:
    pool: Any = _Pool()
    with pytest.raises(psycopg.OperationalError, match="given up"), autocommit_cursor(pool):
        pool.give_up()


def test_connection_goes_back_in_its_former_mode() -> None:
    pool: Any = _Pool()
    with autocommit_cursor(pool):
        assert pool.one.autocommit
    assert not pool.one.autocommit


@pytest.mark.parametrize(
    ("idle", "asked"), [(0.0, []), (FRESH_S + 1, [float(CONNECT_TIMEOUT_S)])], ids=["used", "idle"]
)
def test_look_asks_first_whether_a_connection_is_alive_that_nobody_has_used_just_now(
    idle: float, asked: list[float]
) -> None:
    """On a frozen machine each would keep it waiting for as long as a statement may take."""
    pool: Any = _Pool()
    pool.one.used_at = monotonic() - idle
    with unchecked_cursor(pool):
        assert pool.one.autocommit
        assert pool.one.patience == asked
    assert not pool.one.autocommit
    assert pool.one.patience_s == 35.0
