"""What the checker says of messages that come late, again, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.faults.checker.deliveries import Event, _delivered
from tests.faults.checker.evidence import Evidence
from tests.faults.load.subscribers import Got

CHAIN = {2: 0, 3: 2, 5: 3, 6: 5, 9: 6}
"""Published positions, each with the one before it."""


class NothingLost(Evidence):
    """No log has lost its end."""

    def may_be_gone(self, *_: object, **__: object) -> bool:
        return False

    def is_ghost(self, *_: object) -> bool:
        return False


def got(epoch: str, position: int) -> Got:
    how, via, kind = "delivered", "stream", "payment_posted"
    return Got(how, via, "ledger", epoch, position, CHAIN[position], f"l-{position}", kind, "")


def gaps(*messages: tuple[str, int]) -> list[str]:
    history = {one: Event(one, before, "1", f"l-{one}", "") for one, before in CHAIN.items()}
    evidence = NothingLost({}, None, [])  # type: ignore[arg-type]
    found = list(_delivered(evidence, "stream", [got(*one) for one in messages], history))
    assert {finding.rule for finding in found} <= {"gap in a delivery"}
    return [finding.about for finding in found]


def in_one_epoch(positions: Sequence[int]) -> list[str]:
    return gaps(*(("1", one) for one in positions))


@pytest.mark.parametrize("positions", [(2, 3, 5, 6, 9), (2, 3, 2, 3, 5, 6, 9), (5, 6, 9)])
def test_what_is_in_order_or_repeated_is_right(positions: Sequence[int]) -> None:
    assert in_one_epoch(positions) == []


@pytest.mark.parametrize("positions", [(2, 3, 5, 6, 2, 9), (2, 3, 5, 2, 6, 3, 9)])
def test_late_repetition_by_a_node_that_stood_still_is_right(positions: Sequence[int]) -> None:
    assert in_one_epoch(positions) == []


@pytest.mark.parametrize("positions", [(2, 3, 6, 9), (2, 3, 6, 5, 6, 9), (2, 3, 2, 6, 9)])
def test_gap_is_found(positions: Sequence[int]) -> None:
    assert in_one_epoch(positions) == ["stream 6"]


def test_message_of_an_old_epoch_hides_no_gap_of_the_new_one() -> None:
    assert gaps(("1", 2), ("2", 3), ("1", 2), ("2", 5)) == []
    assert gaps(("1", 2), ("2", 3), ("1", 2), ("2", 6)) == ["stream 6"]
