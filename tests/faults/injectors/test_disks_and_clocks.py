"""Disks that are full or fail, and clocks that jump, are real, and healed they are forgotten."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from deploy.embedded import process
from tests.faults.injectors import clock, disks, fsync
from tests.faults.injectors.circumstances import COMPILER, compiled, package_file
from tests.faults.injectors.errors import TroubleError
from tests.faults.injectors.processes import standing_still
from tests.faults.injectors.small_house import Choosing, SmallHouse
from tests.faults.newcomers import Newcomer
from tests.waiting import eventually

pytestmark = pytest.mark.slow

RECOVERY_S = 120.0
_FILL = "CREATE TABLE public.filling AS SELECT repeat('x', 500) || n FROM generate_series(1, {}) n"

# Of a commit it is fdatasync that fails, of a checkpoint fsync.
_FAILED_SYNC = re.compile(rb"PANIC:  could not f(?:data)?sync")


@pytest.fixture(autouse=True)
def _goes_on_afterwards(
    house: SmallHouse,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> Iterator[None]:
    yield
    seconds = house.recovers(RECOVERY_S)
    record_property("measured", f"ready after {request.node.name}: {seconds:.1f} s")
    Newcomer(house).is_served(RECOVERY_S)


def needs(package: str, *paths: str) -> None:
    """Skip, and say why, where a package cannot be had."""
    try:
        for path in paths:
            package_file(package, path)
    except TroubleError as missing:
        pytest.skip(str(missing))


def owner(house: SmallHouse) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(house.environment["SALDO_DATABASE_URL"], autocommit=True)


def now(house: SmallHouse) -> float:
    """Return what PostgreSQL takes for now."""
    with owner(house) as connection:
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert row is not None
    return float(str(row[0]))


@pytest.mark.parametrize("folder", ["data/base", "data/pg_wal"])
def test_full_disk_of_postgresql_refuses_writes_until_there_is_room(
    house: SmallHouse, folder: str
) -> None:
    if not disks.can_mount():
        pytest.skip("only root may mount a small disk")
    fault = disks.FullDisk()
    fault.inject(house, Choosing("postgres", folder, 4 * 2**20))
    try:
        expected = psycopg.errors.DiskFull if folder == "data/base" else psycopg.OperationalError
        with pytest.raises(expected), owner(house) as connection:
            connection.execute(_FILL.format(1_000_000))
    finally:
        fault.heal(house)
    assert not (house.folder / "postgres" / folder).is_mount()
    with owner(house) as connection:
        connection.execute("DROP TABLE IF EXISTS public.filling")
        connection.execute(_FILL.format(10_000))
        connection.execute("DROP TABLE public.filling")


def test_full_disk_of_rabbitmq_raises_its_alarm(house: SmallHouse) -> None:
    if not disks.can_mount():
        pytest.skip("only root may mount a small disk")
    fault, waiting = disks.FullDisk(), Newcomer(house)
    fault.inject(house, Choosing("rabbitmq", 4 * 2**20))
    try:
        eventually(lambda: "Free disk space alarm" in house.rabbitmqctl("status"), "the alarm", 60)
        assert waiting.asks() != "accepted"
    finally:
        fault.heal(house)
    assert not (house.folder / "rabbitmq" / "mnesia").is_mount()
    waiting.is_served(RECOVERY_S)


def test_failing_fsync_stops_postgresql_and_loses_nothing_acknowledged(house: SmallHouse) -> None:
    needs(*COMPILER)
    log = house.folder / "log" / "postgres.log"
    with owner(house) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.noted (n bigint PRIMARY KEY)")
        connection.execute("TRUNCATE public.noted")
    size = log.stat().st_size
    fault = fsync.FsyncError()
    fault.inject(house, Choosing(100))
    acknowledged: list[int] = []

    def has_stopped() -> bool:
        try:
            with owner(house) as connection:
                for n in range(len(acknowledged) * 1000, len(acknowledged) * 1000 + 200):
                    connection.execute("INSERT INTO public.noted VALUES (%s)", (n,))
                    acknowledged.append(n)
        except psycopg.Error:
            pass
        return _FAILED_SYNC.search(log.read_bytes(), size) is not None

    try:
        eventually(has_stopped, "an fsync fails", 90)
    finally:
        fault.heal(house)
    house.recovers(RECOVERY_S)
    with owner(house) as connection:
        kept = {row[0] for row in connection.execute("SELECT n FROM public.noted")}
        connection.execute("DROP TABLE public.noted")
    assert kept >= set(acknowledged)


def test_postgresql_that_no_longer_responds_is_ended_when_its_fsync_is_healed(
    house: SmallHouse,
) -> None:
    needs(*COMPILER)
    fault = fsync.FsyncError()
    with standing_still(house, "postgres"):  # what another fault has stopped is no obstacle
        fault.inject(house, Choosing(100))
    silent = house.identities()["postgres"]
    assert process.send(silent, signal.SIGSTOP)
    assert fault.heal(house) == "kill -9 postgres, which did not respond"
    assert house.identities()["postgres"] != silent
    with owner(house) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not fault.heal(house), "it is healed"


@pytest.mark.parametrize("jump", ["+7200", "-7200"])
def test_clock_of_postgresql_jumps_while_it_runs_and_jumps_back(
    house: SmallHouse, jump: str
) -> None:
    needs(*COMPILER)
    fault = clock.ClockJump()
    try:
        assert fault.inject(house, Choosing("postgres", jump)).endswith(f"jumps by {jump} s")
        pid = house.identities()["postgres"].pid
        eventually(lambda: abs(now(house) - time.time() - int(jump)) < 60, "the clock has jumped")
        assert Newcomer(house).asks(patience=RECOVERY_S) == "accepted"
    finally:
        fault.heal(house)
    eventually(lambda: abs(now(house) - time.time()) < 60, "the clock is right again")
    assert house.identities()["postgres"].pid == pid, "it jumped while it ran"


def test_program_under_a_clock_that_has_jumped_sleeps_as_long_as_before(house: SmallHouse) -> None:
    needs(*COMPILER)
    offset = clock.offset_file(house, "nobody")
    offset.write_text("-7200\n", encoding="ascii")
    program = "import time; time.sleep(0.1); print(time.time())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            "LD_PRELOAD": str(compiled(house, clock.SOURCE)),
            "JUMPING_CLOCK_FILE": str(offset),
        },
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert abs(float(done.stdout) + 7200 - time.time()) < 60


@pytest.mark.parametrize("victim", ["serve", "work"])
def test_services_go_on_with_a_clock_that_jumps(house: SmallHouse, victim: str) -> None:
    needs(*COMPILER)
    fault = clock.ClockJump()
    try:
        fault.inject(house, Choosing(victim, "+90"))
        Newcomer(house).is_served(RECOVERY_S)
    finally:
        fault.heal(house)
