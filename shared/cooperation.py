"""Cooperative yielding: what takes long lets the other greenlets of its process run.

A greenlet that never waits holds all the others. A loop over ten thousand events waits for nothing,
so it has to yield by itself. Only a process of greenlets sets a switch: elsewhere the operating
system shares the time out, and these loops cost nothing more.

A loop yields where any query would: inside transactions too, and with their locks held. Whoever
runs meanwhile has a session and a connection of his own, and waits for a lock as a greenlet does.

Work on files has nothing to yield at: the kernel holds the thread. It runs in a native thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.005
"""How long a loop runs before it yields."""

_switch: Callable[[], None] | None = None


def set_switch(switch: Callable[[], None] | None) -> None:
    """Set how a loop yields to the other greenlets of the process; None: it does not."""
    global _switch  # noqa: PLW0603 - one for the process, as its hub is
    _switch = switch


_native: Callable[[Callable[[], Any]], Any] | None = None


def set_native_threads(run: Callable[[Callable[[], Any]], Any] | None) -> None:
    """Set how the process runs work in a native thread; None: in the thread that asks."""
    global _native  # noqa: PLW0603 - one for the process, as its hub is
    _native = run


def outside_event_loop(work: Callable[[], T]) -> T:
    """Return the result of work that blocks, while other greenlets run.

    ``work`` must touch nothing that belongs to the hub: no socket, no lock, no RPC.
    """
    done: T = work() if _native is None else _native(work)
    return done


def cooperatively(items: Iterable[T]) -> Iterable[T]:
    """Return the items; a loop over them yields to other greenlets every few milliseconds."""
    return items if _switch is None else _yielding(items, _switch)


def _yielding(items: Iterable[T], switch: Callable[[], None]) -> Iterator[T]:
    now = time.monotonic
    until = now() + SLICE_SECONDS
    for item in items:
        yield item
        if now() >= until:
            switch()
            until = now() + SLICE_SECONDS
