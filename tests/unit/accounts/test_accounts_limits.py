"""Limits of attempts: nobody guesses for long, and nobody spends the attempts of another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from services.accounts.guessing import ProofsGuessed
from services.accounts.policy import Limit, load_policy
from shared.errors import Forbidden

FIRST, SECOND = "0100000001", "0100000002"
ANNA, BORIS = uuid4(), uuid4()
HOME, CAFE = UUID(int=1), UUID(int=2)
WRONG = "XXXX-XXXX"


@pytest.fixture
def crowded(new_harness: Callable[..., Any]) -> Any:
    """Return accounts whose network may guess 10 times, and everybody 20 times."""
    policy = load_policy({})
    proofs = replace(
        policy.limits.proofs,
        per_network=Limit(attempts=10, minutes=60),
        in_total=Limit(attempts=20, minutes=60),
    )
    harness = new_harness(replace(policy, limits=replace(policy.limits, proofs=proofs)))
    harness.register(harness.row(FIRST), harness.row(SECOND))
    return harness


def guess(harness: Any, times: int, number: str = FIRST, network: UUID = CAFE) -> None:
    """Let a crowd try wrong codes, each person within his own limit."""
    for index in range(times):
        person_id = UUID(int=1000 + index // 3)
        with suppress(Forbidden):
            harness.link(person_id, number, WRONG, network)


def test_wrong_proofs_are_limited_per_person(harness: Any) -> None:
    for index in range(20):
        assert not harness.link(ANNA, f"09{index:08d}", WRONG)
    with pytest.raises(Forbidden) as refusal:
        harness.link(ANNA, FIRST)
    assert refusal.value.params["policy"] == "proof_by_person"
    assert refusal.value.params["retry_after_seconds"] == 3600
    assert harness.link(BORIS, FIRST)
    harness.clock.advance(timedelta(hours=1))
    assert harness.link(ANNA, FIRST)


def test_right_proofs_are_not_counted(harness: Any) -> None:
    numbers = [f"02{index:08d}" for index in range(9)]
    harness.register(*(harness.row(number) for number in numbers))
    for _ in range(19):
        assert not harness.link(ANNA, FIRST, WRONG)
    for number in numbers:
        assert harness.link(ANNA, number)


@pytest.mark.parametrize("network", [HOME, CAFE])
def test_a_crowd_of_guessers_leaves_each_person_attempts_of_his_own(
    crowded: Any, network: UUID
) -> None:
    guess(crowded, 60)
    assert not crowded.link(ANNA, FIRST, WRONG, network)
    assert not crowded.link(ANNA, FIRST, WRONG, network)
    assert crowded.link(ANNA, FIRST, None, network)


def test_beyond_the_limit_of_a_network_each_person_has_few_attempts(crowded: Any) -> None:
    guess(crowded, 10)
    for _ in range(3):
        assert not crowded.link(ANNA, FIRST, WRONG, CAFE)
    with pytest.raises(Forbidden) as refusal:
        crowded.link(ANNA, FIRST, WRONG, CAFE)
    assert refusal.value.params["policy"] == "proof_by_network"
    assert not crowded.link(ANNA, FIRST, WRONG, HOME)


def test_beyond_the_limit_of_everybody_each_person_has_few_attempts(crowded: Any) -> None:
    for index in range(20):
        assert not crowded.link(UUID(int=2000 + index), FIRST, WRONG, UUID(int=3000 + index))
    for _ in range(3):
        assert not crowded.link(ANNA, FIRST, WRONG)
    with pytest.raises(Forbidden) as refusal:
        crowded.link(ANNA, FIRST)
    assert refusal.value.params["policy"] == "proof_by_total"


def test_the_owners_get_a_letter_after_ten_wrong_proofs_of_a_day(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    guess(harness, 9)
    assert not noticed(harness)
    guess(harness, 30)
    assert noticed(harness) == [
        ProofsGuessed(number=FIRST, tenure=1, attempts=10, owner_ids=(ANNA,))
    ]
    harness.clock.advance(timedelta(days=1))
    guess(harness, 10)
    assert len(noticed(harness)) == 2


def test_an_account_that_nobody_has_linked_is_guessed_without_a_letter(harness: Any) -> None:
    guess(harness, 10)
    assert noticed(harness) == []


def test_staff_read_who_tried_what(harness: Any) -> None:
    assert not harness.link(ANNA, FIRST, WRONG)
    assert harness.link(ANNA, FIRST)
    assert not harness.link(BORIS, "счёт", WRONG)
    newest = harness.store.read_model.attempts_log.newest(None, 10)
    assert newest == [
        {"person_id": str(BORIS), "number": None, "outcome": "refused"},
        {"person_id": str(ANNA), "number": FIRST, "outcome": "proven"},
        {"person_id": str(ANNA), "number": FIRST, "outcome": "refused"},
    ]


def test_an_owner_proves_himself_by_the_code_and_nobody_else_does(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    assert harness.prove(ANNA, FIRST)
    assert not harness.prove(ANNA, FIRST, WRONG)
    assert not harness.prove(BORIS, FIRST)
    assert not harness.prove(ANNA, SECOND)
    for _ in range(18):
        harness.prove(ANNA, FIRST, WRONG)
    with pytest.raises(Forbidden):
        harness.prove(ANNA, FIRST)


def noticed(harness: Any) -> list[Any]:
    events = [record.event for record in harness.store.log]
    return [event for event in events if isinstance(event, ProofsGuessed)]
