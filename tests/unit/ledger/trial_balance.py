"""A trial balance of a handful of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from services.ledger.domain.double_entry import postings
from shared.money import Kopecks


def trial_balance(events: Iterable[Any]) -> dict[str, Kopecks]:
    """Add up the postings of events by account; the values add up to zero."""
    sums: defaultdict[str, Kopecks] = defaultdict(int)
    for event in events:
        for account, amount in postings(event):
            sums[account] += amount
    return dict(sums)
