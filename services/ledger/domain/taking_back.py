"""What money that goes back takes of what it has paid: the last of it first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.ledger.domain.allocation import AllocatedPart, merged
from services.ledger.domain.debts import Paid, Slice
from shared.money import Kopecks, split_pro_rata

Payer = tuple[Paid, Slice | None]
"""Money, and what it pays; None: the penalty."""
Taken = tuple[Paid, Slice | None, Kopecks]
"""The same, with what is taken back of it."""

_PENALTY = ("~", "")
"""The penalty as a period of its own, which comes after all others."""


def last_first(own: Sequence[Payer], amount: Kopecks) -> list[Taken]:
    """Return what is taken back of what a payment pays itself, in the order given.

    The penalty goes before bills, and these the newest period first; within a period pro rata by
    service (largest remainder), and of a service what was paid last.
    """
    taken = [0] * len(own)
    periods: dict[str, dict[str, list[int]]] = {}
    for at, (_, one) in enumerate(own):
        period, service = (one.period, one.service) if one else _PENALTY
        periods.setdefault(period, {}).setdefault(service, []).append(at)
    for period in sorted(periods, reverse=True):
        services = [periods[period][service] for service in sorted(periods[period])]
        paid = [sum(own[at][0].amount for at in places) for places in services]
        here = min(amount, sum(paid))
        for places, share in zip(services, split_pro_rata(here, paid), strict=True):
            _take(own, taken, reversed(places), share)
        amount -= here
    return [(paid, one, taken[at]) for at, (paid, one) in enumerate(own) if taken[at]]


def spent_last_first(paid: Sequence[Payer], amount: Kopecks) -> list[Taken]:
    """Return what is taken back of what advances have paid, the last first."""
    found = []
    for money, one in reversed(paid):
        take = min(amount, money.amount) if money.payer is None else 0
        if take:
            found.append((money, one, take))
            amount -= take
    return found


def bills_of(taken: Iterable[Taken]) -> tuple[AllocatedPart, ...]:
    """Return what is taken back of bills."""
    return merged(
        [AllocatedPart(one.period, one.service, take) for _, one, take in taken if one is not None]
    )


def penalty_of(taken: Iterable[Taken]) -> Kopecks:
    """Return what is taken back of the penalty."""
    return sum([take for _, one, take in taken if one is None])


def _take(
    own: Sequence[Payer], taken: list[Kopecks], places: Iterable[int], amount: Kopecks
) -> None:
    for at in places:
        taken[at] = min(amount, own[at][0].amount)
        amount -= taken[at]
