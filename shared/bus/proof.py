"""The proof that a reader has applied just what its upstream's log has, for its next process.

What a reader remembers (:mod:`shared.bus.remembering`) ends with its process. A message that made
it jump over events shortly before would be forgotten, and those events would pass for duplicates
when they arrive. So a sum over the last events that took effect is kept with the point. The next
process compares it with the sum over the log, and goes back where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from shared.bus.messages import Services, position_of

MOST = 1_000
"""Events that the sum is over, about: an event that was jumped over arrives before so many."""
_SIZE = 2**63
_FETCH = 500


class Proof(NamedTuple):
    """A sum over the events that have taken effect after a position."""

    after: int
    total: int


class Proving:
    """The proof of a reader as it goes on, in one process."""

    def __init__(self) -> None:
        self._proof = Proof(0, 0)
        self._window: dict[int, int] = {}
        self._is_inherited = False

    def begin_at(self, position: int, proof: Proof | None) -> None:
        """Begin at a point that this process has not brought about; it may have a proof."""
        self._proof = Proof(position, 0) if proof is None else proof
        self._is_inherited = self._proof.after < position
        self._window.clear()

    def with_(self, marks: Mapping[int, tuple[int, str]]) -> Proof:
        """Return the proof once these events have taken effect, too."""
        total = self._proof.total
        for position, mark in marks.items():
            total += _share(position, mark[0]) - self._window.get(position, 0)
        return self._proof._replace(total=total % _SIZE)

    def add(self, marks: Mapping[int, tuple[int, str]]) -> None:
        """Note that these events have taken effect."""
        self._proof = self.with_(marks)
        for position, mark in marks.items():
            self._window[position] = _share(position, mark[0])
        if len(self._window) >= 2 * MOST and not self._is_inherited:
            self._begin_later()

    def went_back(self, position: int) -> None:
        """Note that the point was set back: what follows takes effect anew."""
        if self._is_inherited or position <= self._proof.after:
            self.begin_at(position, None)
            return
        self._window = {one: share for one, share in self._window.items() if one <= position}
        self._proof = self._proof._replace(total=sum(self._window.values()) % _SIZE)

    def _begin_later(self) -> None:
        positions = sorted(self._window)
        after = positions[-MOST - 1]
        self._window = {one: self._window[one] for one in positions[-MOST:]}
        self._proof = Proof(after, sum(self._window.values()) % _SIZE)


def is_borne_out(
    services: Services,
    upstream: str,
    position: int,
    proof: Proof,
    mark_of: Callable[[Mapping[str, Any]], tuple[int, str]],
    pause: Callable[[float], None],
) -> bool:
    """Return whether the upstream's log has just what a reader has applied up to its position.

    Raises Unavailable.
    """
    after, shares = proof.after, dict[int, int]()
    while after < position:
        pause(0.0)  # the broker must hear from us
        page = services.call(
            upstream, "events_after", after=after, predecessor=after, epoch="", limit=_FETCH
        )
        if page["next"] is None:
            break
        for event in page["events"]:
            place = position_of(event["headers"])
            if place is not None and place <= position:
                shares[place] = _share(place, mark_of(event["headers"])[0])
        after = page["next"]
    return sum(shares.values()) % _SIZE == proof.total


def _share(position: int, mark: int) -> int:
    return mark * (2 * position + 1) % _SIZE
