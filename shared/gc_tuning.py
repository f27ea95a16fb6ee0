"""Python's cycle collector in a process that stays and posts a lot.

By default it looks for cycles after every 700 new objects, and again and again through all that
was imported. A group of a thousand postings makes tens of thousands of objects, none of them in a
cycle: to look through them took half of the time.
"""

from __future__ import annotations

import gc

YOUNG = 50_000
"""How many new objects there may be before the collector looks at them."""


def tune_gc() -> None:
    """Leave out what has been loaded by now, and look at new objects more seldom.

    To be called once, when a process has imported what it needs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
