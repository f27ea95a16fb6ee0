"""Garbage collection in a long-lived process that posts a lot.

By default Python looks for cycles after every 700 new objects, and often through all imported
modules. A group of a thousand postings creates tens of thousands of objects without any cycle, and
looking through them took half of the time.
"""

from __future__ import annotations

import gc

YOUNG_THRESHOLD = 50_000
"""The number of new objects that starts a collection."""


def tune_gc() -> None:
    """Exclude all existing objects from collections, and collect new ones less often.

    Call it once, when the process has imported its modules.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_THRESHOLD, 10, 10)
