"""Only our own processes are identified and stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from deploy.embedded import process

ENVIRON = {"PATH": "/usr/bin:/bin"}


def _start(tmp_path: Path, *argv: str) -> process.Identity:
    child = process.start(
        argv,
        record=tmp_path / "one.json",
        log=tmp_path / "one.log",
        environ=ENVIRON,
        cwd=tmp_path,
        digest="d1",
    )
    identity = process.identity_of(child.pid)
    assert identity is not None
    return identity


def _wait_for_record(path: Path) -> process.Record:
    limit = time.monotonic() + 5
    while (record := process.read_record(path)) is None:
        assert time.monotonic() < limit
        time.sleep(0.01)
    return record


def test_process_writes_its_record_before_it_runs_the_program(tmp_path: Path) -> None:
    identity = _start(tmp_path, "sleep", "60")
    record = _wait_for_record(tmp_path / "one.json")
    assert record.identity == identity
    assert record.digest == "d1"
    assert process.is_alive(identity)
    assert os.getsid(identity.pid) == identity.pid
    assert process.stop(identity)
    assert not process.is_alive(identity)


def test_process_with_a_reused_pid_is_not_ours(tmp_path: Path) -> None:
    identity = _start(tmp_path, "sleep", "60")
    reused = msgspec.structs.replace(identity, started=identity.started - 1)
    other_boot = msgspec.structs.replace(identity, boot="an earlier one")
    for impostor in (reused, other_boot):
        assert not process.is_alive(impostor)
        assert not process.send(impostor, signal.SIGKILL)
    assert process.is_alive(identity)
    process.stop(identity)


def test_process_that_ignores_the_stop_signal_is_killed_with_its_session(tmp_path: Path) -> None:
    identity = _start(tmp_path, "sh", "-c", "trap '' TERM; sleep 61 & echo ready; wait; wait")
    limit = time.monotonic() + 5
    while b"ready" not in (tmp_path / "one.log").read_bytes():
        assert time.monotonic() < limit
        time.sleep(0.01)
    members = list(process.session_members(identity.pid))
    assert len(members) == 2
    assert not process.stop(identity, seconds=0.2)
    assert all(process.wait_for_end(member, 5.0) for member in members)


def test_session_of_a_living_leader_is_left_alone(tmp_path: Path) -> None:
    identity = _start(tmp_path, "sleep", "60")
    with pytest.raises(ValueError, match="still alive"):
        process.end_session(identity)
    process.stop(identity)


def test_truncated_record_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{"digest":"d1","bo', encoding="ascii")
    assert process.read_record(path) is None
    assert process.read_record(tmp_path / "none.json") is None


def test_command_name_with_parentheses_is_parsed(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to(sys.executable)
    identity = _start(tmp_path, str(program), "-c", "import time; time.sleep(60)")
    _wait_for_record(tmp_path / "one.json")
    assert process.is_alive(identity)
    process.stop(identity)
