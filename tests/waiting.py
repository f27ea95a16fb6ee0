"""Wait for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_EVERY_S = 0.03
PATIENCE_S = 60.0
"""Long enough for a machine that is busy with other tests; only who fails waits this long."""


def eventually(condition: Callable[[], T], what: str, seconds: float = PATIENCE_S) -> T:
    """Poll until the condition holds and return its value; fail with what was waited for."""
    ends = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := condition()):
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        pause.wait(LOOK_EVERY_S)
    return found
