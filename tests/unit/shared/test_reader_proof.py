"""The proof that a reader has jumped over nothing, which outlives its process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.bus import proof as bus_proof
from shared.bus.proof import Proof, Proving, is_borne_out


class Log:
    """The log of an upstream: its published positions; the mark of each is its digest."""

    def __init__(self, *positions: int) -> None:
        self.positions = positions
        self.read: list[int] = []

    def call(self, service: str, method: str, *, after: int, limit: int, **_: Any) -> Any:
        page = [one for one in self.positions if one > after][:limit]
        self.read.append(after)
        return {
            "events": [{"headers": {"saldo_position": one}} for one in page],
            "next": page[-1] if page else None,
        }


def mark(position: int) -> tuple[int, str]:
    return position * 1_234_567_891_011 % 2**63, "1"


def mark_of(headers: Mapping[str, Any]) -> tuple[int, str]:
    return mark(headers["saldo_position"])


def proving(*positions: int, after: int = 0) -> Proving:
    made = Proving()
    made.begin_at(after, None)
    for position in positions:
        made.add({position: mark(position)})
    return made


def borne_out(log: Log, proof: Proof, position: int) -> bool:
    services: Any = log
    return is_borne_out(services, "ledger", position, proof, mark_of, lambda _: None)


def test_reader_that_has_applied_what_the_log_has_is_borne_out() -> None:
    assert borne_out(Log(1, 2, 4, 7, 9, 11), proving(4, 7, 9, after=3).with_({}), 9)


@pytest.mark.parametrize("applied", [(4, 9), (4, 7, 8, 9), (9,), (7, 9), ()])
def test_reader_that_has_jumped_or_applied_something_else_is_not(applied: tuple[int, ...]) -> None:
    assert not borne_out(Log(1, 2, 4, 7, 9, 11), proving(*applied, after=3).with_({}), 9)


def test_another_event_at_the_same_position_is_found() -> None:
    made = proving(4, after=3)
    made.add({7: mark(70)})
    assert not borne_out(Log(4, 7), made.with_({}), 7)
    # It was replaced: the log was read again from before it.
    made.went_back(4)
    made.add({7: mark(7)})
    assert borne_out(Log(4, 7), made.with_({}), 7)


def test_proof_of_a_transaction_is_the_one_that_it_brings_about() -> None:
    made = proving(4, after=3)
    coming = made.with_({7: mark(7), 9: mark(9)})
    made.add({7: mark(7), 9: mark(9)})
    assert made.with_({}) == coming
    assert made.with_({9: mark(9)}) == coming


def test_proof_goes_on_in_the_next_process() -> None:
    first = proving(4, 7, after=3).with_({})
    later = Proving()
    later.begin_at(7, first)
    later.add({9: mark(9)})
    assert borne_out(Log(4, 7, 9), later.with_({}), 9)
    assert not borne_out(Log(4, 6, 7, 9), later.with_({}), 9)


def test_reader_set_back_proves_what_is_before() -> None:
    made = proving(4, 7, 9, after=3)
    made.went_back(7)
    assert borne_out(Log(4, 7, 9), made.with_({}), 7)
    made.went_back(2)
    assert made.with_({}) == Proof(2, 0)
    inherited = Proving()
    inherited.begin_at(7, proving(4, 7, after=3).with_({}))
    inherited.went_back(4)
    assert inherited.with_({}) == Proof(4, 0)


def test_proof_is_over_the_last_events_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_proof, "MOST", 3)
    made = proving(*range(1, 51))
    proof = made.with_({})
    assert 50 - 2 * 3 <= proof.after < 50 - 3
    assert borne_out(Log(*range(1, 60)), proof, 50)
    assert not borne_out(Log(*range(1, 48), 49, 50), proof, 50)
