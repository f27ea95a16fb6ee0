"""Concurrent calls, with the context of the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from eventlet import GreenPool

T = TypeVar("T")

MAX_CONCURRENT = 10


def all_of(thunks: Sequence[Callable[[], T]]) -> list[T]:
    """Run the thunks concurrently and return their results in order.

    The first error in this order is raised, without waiting for the thunks after it: a check that
    stands first is not slower, nor heard of later, for what is read beside it.
    """
    if not thunks:
        return []
    pool = GreenPool(MAX_CONCURRENT - 1)
    threads = [pool.spawn(copy_context().run, _outcome, thunk) for thunk in thunks[1:]]
    # The first one runs here: its error ends the wait for the others, as any would.
    results = [thunks[0]()]
    for thread in threads:
        result, error = thread.wait()
        if error is not None:
            raise error
        results.append(result)
    return results


def _outcome(thunk: Callable[[], T]) -> tuple[T | None, Exception | None]:
    # A greenlet that ends with an exception has the hub print it, whoever has handled it.
    try:
        return thunk(), None
    except Exception as error:  # noqa: BLE001 - raised where it is waited for
        return None, error
