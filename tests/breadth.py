"""How much of a large matrix a test run takes.

By default a part that has each value of each dimension; SALDO_TEST_WHOLE=1 (`make test WHOLE=1`)
takes every combination. What a part leaves out stands in tests/README.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

WHOLE = os.environ.get("SALDO_TEST_WHOLE") == "1"


def one_in_turn(values: Sequence[T], place: int) -> Sequence[T]:
    """Return all values in a whole run, else the one whose turn it is at a place."""
    return values if WHOLE else (values[place % len(values)],)
