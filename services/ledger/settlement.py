"""How a sum settles what is owed: oldest period first, inside a period pro rata by service.

Pure functions over open items; the allocation they answer is recorded in the event, so a later
change of the policy never changes what has happened.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.money import Kopecks, split_pro_rata

OpenItems = Mapping[str, Mapping[str, Kopecks]]
"""Period (``2026-10``) -> service code -> what is still owed for it, always positive."""


class Settled(msgspec.Struct, frozen=True):
    """A part of a sum that settles one service of one period."""

    period: str
    service: str
    amount: Kopecks


def allocate(
    open_items: OpenItems, amount: Kopecks, first: str | None = None
) -> tuple[tuple[Settled, ...], Kopecks]:
    """Divide an amount over open items; answer the allocation and what is left of the amount.

    ``first`` names a period that the payer wants settled before all others. Within a period the
    parts are in proportion to what is owed, divided by the largest-remainder method, so the
    kopecks always add up (facts of the domain, settlement).
    """
    settled: list[Settled] = []
    for period in sorted(open_items, key=lambda period: (period != first, period)):
        if amount == 0:
            break
        owed = open_items[period]
        services = sorted(service for service in owed if owed[service] > 0)
        take = min(amount, sum(owed[service] for service in services))
        if take == 0:
            continue
        parts = split_pro_rata(take, [owed[service] for service in services])
        settled += [
            Settled(period, service, part)
            for service, part in zip(services, parts, strict=True)
            if part
        ]
        amount -= take
    return tuple(settled), amount
