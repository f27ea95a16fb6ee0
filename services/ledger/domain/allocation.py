"""Allocation of a sum to open items, by a policy that is data.

Pure functions. The allocation is recorded in the event, with the name of the policy, so a later
change of the policy never changes what has happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from shared.money import Kopecks, split_pro_rata

OpenItems = Mapping[str, Mapping[str, Kopecks]]
"""Period (``2026-10``) -> service code -> what is still owed for it, always positive."""


class AllocatedPart(msgspec.Struct, frozen=True, gc=False):
    """The part of a sum that is allocated to one service of one period."""

    period: str
    service: str
    amount: Kopecks


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The order in which a sum is allocated.

    - ``periods``: oldest or newest month first; a month that the payer names comes before all.
    - ``services``: inside a month pro rata (largest remainder), or one after the other in the
      order of ``ranking`` (services that it does not name come after, by their code).
    """

    name: str
    periods: Literal["oldest_first", "newest_first"] = "oldest_first"
    services: Literal["pro_rata", "ranked"] = "pro_rata"
    ranking: tuple[str, ...] = ()


DEFAULT_POLICY = Policy(name="oldest-pro-rata.1")

POLICIES: dict[str, Policy] = {policy.name: policy for policy in (DEFAULT_POLICY,)}
"""The policies by name: a payment is replayed by the one that it was posted by."""


def allocate(
    open_items: OpenItems,
    amount: Kopecks,
    first: str | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> tuple[tuple[AllocatedPart, ...], Kopecks]:
    """Divide an amount over open items; return the allocation and what is left of the amount.

    ``first`` names a period that the payer wants paid before all others. The parts always add
    up to what is allocated, to the kopeck.
    """
    allocation: list[AllocatedPart] = []
    periods = sorted(open_items, reverse=policy.periods == "newest_first")
    if first is not None and first in open_items:
        periods.remove(first)
        periods.insert(0, first)
    for period in periods:
        if amount == 0:
            break
        owed = {service: due for service, due in open_items[period].items() if due > 0}
        take = min(amount, sum(owed.values()))
        allocation += [
            AllocatedPart(period, service, part)
            for service, part in _within(owed, take, policy)
            if part
        ]
        amount -= take
    return tuple(allocation), amount


def merged(parts: Iterable[AllocatedPart]) -> tuple[AllocatedPart, ...]:
    """Return parts with one for each period and service, in the order in which they first come."""
    sums: dict[tuple[str, str], Kopecks] = {}
    for part in parts:
        item = (part.period, part.service)
        sums[item] = sums.get(item, 0) + part.amount
    return tuple([AllocatedPart(*item, amount) for item, amount in sums.items() if amount])


def _within(
    owed: Mapping[str, Kopecks], take: Kopecks, policy: Policy
) -> list[tuple[str, Kopecks]]:
    if policy.services == "pro_rata":
        services = sorted(owed)
        parts = split_pro_rata(take, [owed[service] for service in services])
        return list(zip(services, parts, strict=True))
    rank = {service: place for place, service in enumerate(policy.ranking)}
    shares = []
    for service in sorted(owed, key=lambda code: (rank.get(code, len(rank)), code)):
        part = min(take, owed[service])
        shares.append((service, part))
        take -= part
    return shares
