"""A connection that is given up in the middle of a statement says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from shared.database import autocommit_cursor


class _Connection:
    """As psycopg's: on a closed one the mode cannot be changed."""

    closed = False
    _autocommit = False

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
