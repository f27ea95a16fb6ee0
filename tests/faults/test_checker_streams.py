"""What the checker says of subscribers whose messages come late, again, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.faults.checker.deliveries import Event, _delivered
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.unresolved import _subscribers
from tests.faults.load.beliefs import Belief
from tests.faults.load.journals import Got

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
def test_order_and_repetition_are_no_gap(positions: Sequence[int]) -> None:
    assert in_one_epoch(positions) == []


@pytest.mark.parametrize("positions", [(2, 3, 5, 6, 2, 9), (2, 3, 5, 2, 6, 3, 9)])
def test_late_repetition_by_a_node_that_stood_still_is_no_gap(positions: Sequence[int]) -> None:
    assert in_one_epoch(positions) == []


@pytest.mark.parametrize("positions", [(2, 3, 6, 9), (2, 3, 6, 5, 6, 9), (2, 3, 2, 6, 9)])
def test_gap_is_found(positions: Sequence[int]) -> None:
    assert in_one_epoch(positions) == ["stream 6"]


def test_message_of_an_old_epoch_hides_no_gap_of_the_new_one() -> None:
    assert gaps(("1", 2), ("2", 3), ("1", 2), ("2", 5)) == []
    assert gaps(("1", 2), ("2", 3), ("1", 2), ("2", 6)) == ["stream 6"]


class PutBack(Evidence):
    """The ledger was put back to position 5, and has published one event since."""

    def rows(self, query: str, *values: object) -> list[dict[str, object]]:
        if "epochs" in query:
            ends: dict[object, int | None] = {"1": 5, "2": None}
            return [{"last": ends[one]} for one in values if one in ends]
        return [{"published": 6}]


@pytest.mark.parametrize(
    ("epoch", "position", "lags"),
    [("2", 6, False), ("2", 7, False), ("1", 6, True), ("1", 5, True), ("gone", 6, True)],
)
def test_subscriber_lags_that_is_behind_or_has_taken_what_is_lost(
    tmp_path: Path, epoch: str, position: int, lags: bool
) -> None:
    took = Got("took", "stream", "ledger", epoch, position, 0, "l", "payment_posted", "")
    (tmp_path / "journal").write_bytes(msgspec.json.encode(took) + b"\n")
    data = {"kind": "stream", "file": "journal", "services": ["ledger"]}
    note = Belief(id="1", at=0, who="s", what="subscriber", outcome="note", data=data)
    found = _subscribers(PutBack({}, None, [note], tmp_path))  # type: ignore[arg-type]
    assert [one.about for one in found] == ["stream of ledger"] * lags
