"""The ranges into which parallel workers divide the log."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest

from services.ledger.replay.parallel import stream_ranges


@pytest.mark.parametrize("count", [1, 3, 16])
def test_ranges_hold_every_stream_once(count: int) -> None:
    ranges = stream_ranges(count)
    assert len(ranges) == count
    assert (ranges[0].first, ranges[-1].last) == (UUID(int=0), UUID(int=(1 << 128) - 1))
    for before, after in pairwise(ranges):
        assert before.last.int + 1 == after.first.int
