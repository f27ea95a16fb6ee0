"""Concurrent calls, each in its own greenlet with the context of the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from eventlet import GreenPool

T = TypeVar("T")

MAX_CONCURRENT = 10


def all_of(thunks: Sequence[Callable[[], T]]) -> list[T]:
    """Run the thunks concurrently and return their results in order; raise the first error."""
    pool = GreenPool(min(MAX_CONCURRENT, max(1, len(thunks))))
    threads = [pool.spawn(copy_context().run, thunk) for thunk in thunks]
    return [thread.wait() for thread in threads]
