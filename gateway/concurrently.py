"""Several calls at once, each in a greenlet of its own with the context of the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from eventlet import GreenPool

T = TypeVar("T")

MOST_AT_ONCE = 10


def all_of(thunks: Sequence[Callable[[], T]]) -> list[T]:
    """Run the thunks side by side and answer their results in order; the first error is raised."""
    pool = GreenPool(min(MOST_AT_ONCE, max(1, len(thunks))))
    threads = [pool.spawn(copy_context().run, thunk) for thunk in thunks]
    return [thread.wait() for thread in threads]
