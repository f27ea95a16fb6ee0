"""Work that goes on beside a block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

Work = Callable[[threading.Event], None]
"""Goes on until the event is set."""


@contextmanager
def beside(*works: Work, stop: threading.Event | None = None) -> Iterator[None]:
    """Work in threads for the length of a block; raises what one of them has raised.

    `stop` ends them, at the end of the block or when somebody else sets it.
    """
    ends = stop or threading.Event()
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work, ends) for work in works]
        try:
            yield
        finally:
            ends.set()
    for one in running:
        one.result()
