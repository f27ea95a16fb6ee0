"""Schedules of trouble, beliefs, and recovery times: what needs no installation."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

import tests.faults.injectors  # noqa: F401 - registers the faults
from deploy.demo.client import CabinetClient, OutageError, PaymentLine, Problem
from tests.faults.cluster.failovers import FAILOVERS
from tests.faults.cluster.machines import (
    ON_MACHINES,
    ONLY_ON_MACHINES,
    MachineCutOff,
    MachineDies,
    MachinesDieForGood,
    draw_with_losses,
)
from tests.faults.faults import FAULTS
from tests.faults.load.beliefs import Notebook, read_beliefs
from tests.faults.load.residents import Resident
from tests.faults.recovery import Outage, recoveries
from tests.faults.run import ROUND_S, rounds
from tests.faults.schedule import AFTER_ALONE_S, MOST_AT_ONCE, Plan, draw, read, write

SEED, SECONDS = 7, 1800.0


def test_same_seed_makes_the_same_schedule_and_another_one_another() -> None:
    assert draw(SEED, SECONDS, FAULTS) == draw(SEED, SECONDS, FAULTS)
    assert draw(SEED, SECONDS, FAULTS) != draw(SEED + 1, SECONDS, FAULTS)


@pytest.mark.parametrize("seed", range(20))
def test_at_most_two_faults_of_different_kinds_are_in_effect_at_once(seed: int) -> None:
    steps = draw(seed, SECONDS, FAULTS)
    assert steps
    assert max(step.ends for step in steps) <= SECONDS
    for step in steps:
        beside = [one for one in steps if one.at <= step.at < one.ends]
        assert len(beside) <= MOST_AT_ONCE
        assert len({one.fault for one in beside}) == len(beside)


def test_every_failover_comes_alone_and_is_drawn_on_clusters() -> None:
    assert len(FAILOVERS) > 5
    assert all(FAULTS[name].alone for name in FAILOVERS)
    drawn = {step.fault for step in draw(SEED, 10 * SECONDS, FAULTS)}
    assert drawn >= FAILOVERS


@pytest.mark.parametrize("seed", range(20))
def test_machines_die_for_good_in_the_middle_and_none_after_them(seed: int) -> None:
    kinds = {name: FAULTS[name] for name in ON_MACHINES}
    steps = draw_with_losses(seed, SECONDS, kinds)
    [middle] = [step for step in steps if step.fault == MachinesDieForGood.name]
    assert middle.at == SECONDS / 2
    before = [step for step in steps if step.at < middle.at]
    after = [step for step in steps if step.at > middle.at]
    assert max(step.ends for step in before) <= middle.at - AFTER_ALONE_S
    assert min(step.at for step in after) >= middle.ends + AFTER_ALONE_S
    assert MachineDies.name in {step.fault for step in before}
    assert not {MachineDies.name, MachineCutOff.name} & {step.fault for step in after}
    assert max(step.ends for step in after) <= SECONDS


def test_faults_of_machines_are_left_out_elsewhere() -> None:
    kinds = {"kill": FAULTS["kill"]}
    assert draw_with_losses(SEED, SECONDS, kinds) == draw(SEED, SECONDS, kinds)
    assert {"machine_dies", "machine_cut_off", "process_dies", "for_good"} == ONLY_ON_MACHINES


@pytest.mark.parametrize("seed", range(20))
def test_fault_that_comes_alone_has_nothing_beside_it(seed: int) -> None:
    steps = draw(seed, SECONDS, FAULTS)
    for before, after in pairwise(sorted(steps, key=lambda step: step.at)):
        if FAULTS[before.fault].alone or FAULTS[after.fault].alone:
            assert after.at >= before.ends + AFTER_ALONE_S - 0.1


def test_each_step_is_made_in_one_round() -> None:
    steps = draw(SEED, SECONDS, FAULTS)
    played = list(rounds(steps, SECONDS))
    assert len(played) == SECONDS / ROUND_S
    assert [step for _, own in played for step in own] == sorted(steps, key=lambda one: one.at)
    assert all(step.at < until for until, own in played for step in own)


def test_written_schedule_is_read_again_with_its_plan(tmp_path: Path) -> None:
    plan = Plan(seed=SEED, seconds=SECONDS, people=4, books=2)
    steps = draw(SEED, SECONDS, FAULTS)
    write(tmp_path / "run", plan, steps)
    assert read(tmp_path / "run", FAULTS) == (plan, steps)
    own_log = (tmp_path / "run").read_bytes().splitlines(keepends=True)[1:]
    (tmp_path / "log").write_bytes(b"".join(own_log))
    assert read(tmp_path / "log", FAULTS) == (None, steps)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('{"at":1,"fault":"earthquake","lasts":1,"seed":1}', "earthquake"),
        ('{"at":1,"fault":"kill","lasts":1,"seed":1}\n{"at":2}', "line 2 is no step"),
        ("seed 7", "line 1 is no plan or step"),
    ],
)
def test_file_that_is_no_schedule_is_refused(tmp_path: Path, lines: str, says: str) -> None:
    (tmp_path / "run").write_text(lines)
    with pytest.raises(ValueError, match=says):
        read(tmp_path / "run", FAULTS)


@pytest.mark.parametrize(
    ("raised", "repeats", "keyed", "outcome"),
    [
        (None, 0, False, "acknowledged"),
        (Problem(409, "taken", ""), 0, False, "refused"),
        (Problem(503, "busy", ""), 0, True, "unknown"),
        (OutageError("no answer"), 0, True, "unknown"),
        # It was repeated without a key: the first attempt may be what the second stumbles over.
        (Problem(409, "taken", ""), 1, False, "unknown"),
        (Problem(409, "taken", ""), 1, True, "refused"),
    ],
)
def test_client_believes_no_more_than_it_was_told(
    tmp_path: Path, raised: Exception | None, repeats: int, keyed: bool, outcome: str
) -> None:
    notebook = Notebook(tmp_path / "beliefs")
    with notebook.about("somebody", "link") as command:
        for _ in range(repeats):
            if not keyed:
                command.doubt()
        if raised is not None:
            raise raised
    notebook.close()
    [belief] = read_beliefs(tmp_path / "beliefs")
    assert belief.outcome == outcome


def test_command_that_is_repeated_without_its_session_is_not_known_to_be_refused(
    tmp_path: Path,
) -> None:
    notebook, client = Notebook(tmp_path / "beliefs"), CabinetClient("http://127.0.0.1:1")

    def request() -> None:
        client.repeats += 1
        raise Problem(401, "not_signed_in", "")

    with notebook.about("somebody", "payment.start") as command:
        command.call(client, request, keyed=True)
    notebook.close()
    [belief] = read_beliefs(tmp_path / "beliefs")
    assert belief.outcome == "unknown"
    assert 0.0 < belief.asked_at <= belief.at


def test_payment_that_was_started_stays_so_where_its_payer_is_signed_out_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore ends all sessions: the key is tried again, and answered 401."""

    def signed_out(*_: object) -> None:
        raise Problem(401, "not_signed_in", "")

    notebook = Notebook(tmp_path / "beliefs")
    person = Resident(
        who="somebody", url="http://127.0.0.1:1", email="", password="", token="",
        accounts=["1"], notebook=notebook, chance=Random(1),  # noqa: S311 - no secret
    )  # fmt: skip
    monkeypatch.setattr(person, "_post", lambda *_: {"payment_id": "p"})
    monkeypatch.setattr(person, "reuse", signed_out)
    with pytest.raises(Problem):
        person._start([PaymentLine("1", 100)], "reused")
    notebook.close()
    [belief] = read_beliefs(tmp_path / "beliefs")
    assert belief.outcome == "acknowledged"


def test_command_without_a_second_line_is_not_known_to_be_done(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path / "beliefs")
    notebook.about("somebody", "link").__enter__()
    notebook.close()
    [belief] = read_beliefs(tmp_path / "beliefs")
    assert belief.outcome == "asked"


def test_recovery_lasts_from_the_kill_to_the_next_answer() -> None:
    outages = [Outage("api", 10.3, 14.0), Outage("work", 10.1, 11.0), Outage("api", 40.0, 50.0)]
    found = recoveries([(10.0, "postgres"), (10.0, "work"), (90.0, "serve")], outages)
    assert found == {"PostgreSQL": [4.0], "a service": [1.0, 0.0]}
