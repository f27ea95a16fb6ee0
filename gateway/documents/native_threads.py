"""Work that would stop the hub, in native threads: compiling, writing workbooks, drawing codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from eventlet import tpool

T = TypeVar("T")


def out_of_hub(work: Callable[[], T]) -> T:
    """Run work in a native thread and return its result, while other requests go on.

    ``work`` must touch nothing that belongs to the hub: no socket, no lock, no RPC.
    """
    done: T = tpool.execute(work)
    return done
