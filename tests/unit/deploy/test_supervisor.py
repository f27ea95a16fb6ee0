"""The supervisor and the watchdog, on processes that need no node."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.embedded import process
from deploy.embedded.installation import Installation, InstallationError
from deploy.embedded.plan import Check, Plan, ProcessSpec
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT

SLEEP = ("sleep", "600")


def _spec(
    name: str,
    *argv: str,
    requires: tuple[str, ...] = (),
    once: bool = False,
    version: str = "",
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=argv,
        environ=PLAIN_ENVIRONMENT,
        cwd="/",
        requires=requires,
        once=once,
        version=version,
    )


class DescribedInstallation(Installation):
    """An installation with processes described by the test."""

    specs: tuple[ProcessSpec, ...] = ()

    def _plan(self, names: set[str] | None) -> Plan:
        self.state.create()
        return Plan(processes=self.specs, owner=self._owner, watchdog=self._owner is None)

    def pid(self, name: str) -> process.Identity | None:
        record = process.read_record(self.state.record(name))
        return None if record is None else record.identity


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[DescribedInstallation]:
    made = DescribedInstallation(tmp_path / "state")
    yield made
    made.down()


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "timed out"
        time.sleep(0.02)


def _kill(identity: process.Identity | None) -> process.Identity:
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    return identity


def _is_new(installation: DescribedInstallation, name: str, old: process.Identity) -> bool:
    now = installation.pid(name)
    return now != old and process.is_alive(now)


def test_ended_process_is_restarted_and_the_others_are_left_alone(
    installation: DescribedInstallation,
) -> None:
    installation.specs = (_spec("one", *SLEEP), _spec("two", *SLEEP, requires=("one",)))
    assert installation.up() is True
    assert installation.up() is False
    two = installation.pid("two")
    for name in ("one", "supervisor", "watchdog", "supervisor"):
        old = _kill(installation.pid(name))
        until(partial(_is_new, installation, name, old), 5.0)
    assert installation.pid("two") == two
    until(lambda: all(seen.is_up for seen in installation.status().values()))


def test_down_stops_every_process(installation: DescribedInstallation) -> None:
    installation.specs = (_spec("one", *SLEEP), _spec("two", *SLEEP, requires=("one",)))
    installation.up()
    everyone = [installation.pid(name) for name in ("one", "two", "supervisor", "watchdog")]
    ended: list[str] = []
    installation.down(lambda name, how: ended.append(f"{name} {how}"))
    assert ended == ["two stopped", "one stopped"]
    assert not any(process.is_alive(identity) for identity in everyone)
    assert installation.status() == {}
    installation.down()


def test_process_whose_data_a_reset_deletes_is_killed(
    installation: DescribedInstallation, tmp_path: Path
) -> None:
    script = "trap 'echo $0 >> stopped; exit' TERM; touch $0; while :; do sleep 0.1; done"
    for name, discarded in (("one", True), ("two", False)):
        spec = replace(_spec(name, "sh", "-c", script, name), cwd=str(tmp_path))
        installation.specs += (replace(spec, discarded=discarded),)
    for end in (installation.down, installation.reset):
        installation.up()
        for name in ("one", "two"):
            until((tmp_path / name).exists)
            (tmp_path / name).unlink()
        end()
    stopped = (tmp_path / "stopped").read_text(encoding="ascii").split()
    assert sorted(stopped) == ["one", "two", "two"]
    assert not installation.state.root.exists()


def test_only_changed_processes_are_restarted(installation: DescribedInstallation) -> None:
    installation.specs = (_spec("one", *SLEEP), _spec("two", *SLEEP))
    installation.up()
    one, two = installation.pid("one"), installation.pid("two")
    installation.specs = (_spec("one", *SLEEP), _spec("two", *SLEEP, version="2"))
    assert installation.up() is True
    assert installation.pid("one") == one
    assert installation.pid("two") != two
    installation.specs = (_spec("two", *SLEEP, version="2"),)
    installation.up()
    assert not process.is_alive(one)


def test_one_off_process_runs_once(installation: DescribedInstallation, tmp_path: Path) -> None:
    count = tmp_path / "count"
    once = _spec("migrate", "sh", "-c", f"echo x >> {count}", once=True)
    installation.specs = (once, _spec("one", *SLEEP, requires=("migrate",)))
    installation.up()
    assert installation.status()["migrate"].state == "done"
    old = _kill(installation.pid("supervisor"))
    until(lambda: _is_new(installation, "supervisor", old))
    until(lambda: "done" in {seen.state for seen in installation.status().values()})
    assert count.read_text(encoding="ascii") == "x\n"


def test_process_that_does_not_stay_up_is_named(installation: DescribedInstallation) -> None:
    installation.specs = (_spec("bad", "sh", "-c", "echo why it fails; exit 3"),)
    with pytest.raises(InstallationError, match=r"bad does not stay up \(exit code 3\)") as failure:
        installation.up(seconds=20)
    assert failure.value.log is not None
    assert "why it fails" in failure.value.log.read_text(encoding="utf-8")


def test_everything_stops_when_the_state_folder_is_deleted(
    installation: DescribedInstallation,
) -> None:
    installation.specs = (_spec("one", *SLEEP),)
    installation.up()
    everyone = [installation.pid(name) for name in ("one", "supervisor", "watchdog")]
    shutil.rmtree(installation.state.root)
    until(lambda: not any(process.is_alive(identity) for identity in everyone))


def test_everything_stops_with_the_owner(tmp_path: Path) -> None:
    owner = process.start(
        SLEEP, record=None, log=tmp_path / "log", environ=PLAIN_ENVIRONMENT, cwd=tmp_path
    )
    identity = process.identity_of(owner.pid)
    installation = DescribedInstallation(tmp_path / "state", owner=identity)
    installation.specs = (_spec("one", *SLEEP),)
    installation.up()
    one = installation.pid("one")
    assert process.is_alive(one)
    owner.kill()
    owner.wait()
    until(lambda: not process.is_alive(one))
    until(lambda: not installation.is_supervised())


def test_killed_session_leader_leaves_no_children(installation: DescribedInstallation) -> None:
    program = "import subprocess; subprocess.run(['sleep', '600'])"
    installation.specs = (_spec("one", sys.executable, "-c", program),)
    installation.up()
    old = installation.pid("one")
    assert old is not None
    until(lambda: len(list(process.session_members(old.pid))) == 2)
    _kill(old)
    until(lambda: _is_new(installation, "one", old))
    assert not list(process.session_members(old.pid))


def test_process_that_is_ill_is_mended_and_goes_on(
    installation: DescribedInstallation, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"

    class Health(BaseHTTPRequestHandler):
        """Says that all is well once it was mended."""

        def do_GET(self) -> None:
            self.send_response(200 if mended.exists() else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        one = replace(
            _spec("one", *SLEEP),
            health=Check("http", f"http://127.0.0.1:{server.server_address[1]}"),
            mended_by=("sh", "-c", f"echo again >> {mended}"),
        )
        installation.specs = (one,)
        installation.up()
        pid = installation.pid("one")
        until(mended.exists, 30.0)
        log = installation.state.log_of("supervisor")
        until(lambda: "one was mended" in log.read_text(encoding="utf-8"))
        assert installation.pid("one") == pid
        server.shutdown()
    assert mended.read_text(encoding="ascii") == "again\n"
