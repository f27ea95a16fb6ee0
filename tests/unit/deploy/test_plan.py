"""The plan: order, selection, equality."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from deploy.embedded.plan import (
    Check,
    Plan,
    ProcessSpec,
    read_plan,
    read_status,
    write_atomically,
    write_plan,
)


def _spec(name: str, *after: str) -> ProcessSpec:
    return ProcessSpec(name=name, argv=("true",), environ={}, cwd="/", requires=after)


PLAN = Plan(
    processes=(_spec("work", "migrate", "rabbit"), _spec("rabbit", "epmd"), _spec("epmd"),
               _spec("postgres"), _spec("migrate", "postgres"), _spec("mail"))
)  # fmt: skip


def test_process_comes_after_its_requirements() -> None:
    names = [{spec.name for spec in level} for level in PLAN.levels()]
    assert names == [{"epmd", "postgres", "mail"}, {"rabbit", "migrate"}, {"work"}]


def test_requirement_outside_the_plan_is_ignored() -> None:
    plan = Plan(processes=(_spec("work", "postgres"),))
    assert [spec.name for level in plan.levels() for spec in level] == ["work"]


def test_circular_requirements_are_refused() -> None:
    with pytest.raises(ValueError, match="require each other"):
        Plan(processes=(_spec("a", "b"), _spec("b", "a"))).levels()


def test_chosen_process_brings_its_requirements() -> None:
    assert {spec.name for spec in PLAN.only({"rabbit"}).processes} == {"rabbit", "epmd"}
    with pytest.raises(ValueError, match="no such process"):
        PLAN.only({"redis"})


def test_digest_changes_with_every_relevant_field() -> None:
    spec = _spec("one")
    changes = {"argv": ("false",), "environ": {"A": "1"}, "version": "2",
               "ready": Check("tcp", "127.0.0.1:1")}  # fmt: skip
    digests = {msgspec.structs.replace(spec, **{k: v}).digest for k, v in changes.items()}
    assert len(digests | {spec.digest}) == len(changes) + 1
    assert spec.digest == _spec("one").digest


def test_plan_is_read_back_equal_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert read_plan(path) is None
    write_plan(path, PLAN)
    assert read_plan(path) == PLAN
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    assert read_status(path) == {}
    write_atomically(path, b"1")
    write_atomically(path, b"22")
    assert path.read_bytes() == b"22"
    assert list(tmp_path.iterdir()) == [path]
