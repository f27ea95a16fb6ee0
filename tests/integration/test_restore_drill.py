"""The restore drill on real backups: base backups with an archive of the WAL, and dumps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from deploy.embedded.surroundings import REPOSITORY
from tests.integration.drill_origin import Archiving, Origin
from tests.unit.deploy.restore_job import commands, run_script
from tests.waiting import eventually


class Result(NamedTuple):
    code: int
    report: dict[str, Any]
    refusal: str


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """An installation with a base backup of both databases, and payments before and after it."""
    folder = tmp_path_factory.mktemp("origin")
    made = Origin.below(folder)
    try:
        made.create()
        made.pay(2)
        made.seal()
        for one in (made.data, made.keys):
            one.back_up()
        eventually(lambda: past_the_second_of(made.data), "the second of the backup is over")
        made.pay(3)
        made.seal()
        for one in (made.data, made.keys):
            archive_all(one)
        yield made
    finally:
        made.stop()


def archive_all(one: Archiving) -> None:
    """Have the archive get all that was committed."""
    with psycopg.connect(one.server.url, autocommit=True) as owner:
        # A file without anything in it is not ended.
        owner.execute("SELECT pg_logical_emit_message(false, 'drill', 'end')")
        [(name,)] = owner.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").fetchall()
        owner.execute("SELECT pg_switch_wal()")
    eventually((one.backups / "wal" / name).exists, "the archive has it", seconds=30)


def past_the_second_of(one: Archiving) -> bool:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" > one.base_backups()[-1].name


def drill(origin: Origin, *options: object, **environ: str) -> Result:
    """Run the drill as an operator does, with the keys from where they are kept."""
    own = {
        "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(origin.folder / "verifiers"),
        "SALDO_SECRETS_DIR": str(origin.rings),
        **environ,
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SALDO_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.restore_drill", "--json", *map(str, options)],
        env={**plain, **own},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout) if done.stdout else {}
    assert (done.returncode == 2) == (not report), done.stderr
    assert bool(report.get("findings")) == (done.returncode == 1), done.stderr
    return Result(done.returncode, report, done.stderr)


def backups(origin: Origin) -> tuple[object, ...]:
    witness = ("--witness", origin.witness)
    return ("--data", origin.data.backups, "--keys", origin.keys.backups, *witness)


def copy_of(origin: Origin, folder: Path) -> Path:
    """Return a copy of the data's backup that a test may spoil."""
    target = folder / "spoilt"
    shutil.copytree(origin.data.backups, target)
    return target


def scratch_left() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("saldo-drill-*")}


def test_everything_comes_back_from_base_backup_archive_and_keys_kept_elsewhere(
    origin: Origin,
) -> None:
    before = scratch_left()
    code, report, _ = drill(origin, *backups(origin))
    assert (code, report["findings"]) == (0, [])
    assert report["logs"]["ledger"]["head"] == 6  # the account, two payments and three
    assert report["audit"] == {"accounts": 1, "events": 6, "differences": 0, "trial_balance": 0}
    assert report["seal"]["kept_elsewhere"] == report["seal"]["checkpoints"] == 2
    assert report["seal"]["lost"] == 0
    newest = datetime.fromisoformat(report["newest_event_at"])
    assert 0 <= (datetime.now(UTC) - newest).total_seconds() - report["age_seconds"] < 60
    assert report["keys"]["identity"] == 1
    assert scratch_left() == before


def test_moment_before_the_last_payments_comes_back(origin: Origin) -> None:
    """To the second between the base backup and the payments after it."""
    with psycopg.connect(origin.data.server.url) as owner:
        [(moment,)] = owner.execute(
            "SELECT recorded_at FROM ledger.events WHERE notification_id = 4"
        ).fetchall()
    until = datetime.strptime(f"{origin.data.base_backups()[-1].name}", "%Y%m%dT%H%M%S%z")
    assert until < moment
    code, report, _ = drill(origin, *backups(origin), "--until", f"{until:%Y-%m-%dT%H:%M:%S}")
    assert (code, report["logs"]["ledger"]["head"]) == (0, 3)
    assert report["seal"]["lost"] == 3


def test_backup_without_the_newest_wal_says_how_much_a_witness_misses(
    origin: Origin, tmp_path: Path
) -> None:
    spoilt = copy_of(origin, tmp_path)
    start = origin.data.base_backups()[-1] / "backup_label"
    last = max(path.name for path in (spoilt / "wal").iterdir() if len(path.name) == 24)
    assert last not in start.read_text()
    (spoilt / "wal" / last).unlink()
    code, report, _ = drill(origin, "--data", spoilt, "--without-keys", "--witness", origin.witness)
    assert code == 0
    assert report["keys"] is None
    head = report["logs"]["ledger"]["head"]
    assert report["seal"]["lost"] == 6 - head > 0


def test_newest_event_may_not_be_older_than_was_said(origin: Origin) -> None:
    code, report, _ = drill(origin, *backups(origin), "--max-age", "0.001")
    assert code == 1
    [finding] = report["findings"]
    assert finding.startswith("the newest event is ")
    assert drill(origin, *backups(origin), "--max-age", 60).code == 0


def test_history_that_was_rewritten_before_the_backup_is_found(
    origin: Origin, tmp_path: Path
) -> None:
    """By the checkpoint of the witness, whatever the database says of itself."""
    witness = tmp_path / "witness"
    shutil.copytree(origin.witness, witness)
    newest = max(witness.iterdir())
    other = next(path for path in witness.iterdir() if path != newest)
    forged = newest.read_text().splitlines()
    forged[2] = other.read_text().splitlines()[2]  # the root of another log
    newest.write_text("\n".join(forged) + "\n")
    code, report, _ = drill(
        origin, "--data", origin.data.backups, "--without-keys", "--witness", witness
    )
    assert code == 1
    assert any(text.startswith("seal:") for text in report["findings"])


def test_keys_of_somebody_else_open_nothing(origin: Origin, tmp_path: Path) -> None:
    for path in origin.rings.iterdir():
        (tmp_path / path.name).write_text(f"2026-11-29-aaaaaa:{'a' * 64}\n")
    code, report, _ = drill(origin, *backups(origin), "--secrets", tmp_path)
    assert code == 1
    assert any(
        "identity: the ring given does not open 1 of 1" in text for text in report["findings"]
    )


def test_keys_that_are_older_than_the_data_are_found(origin: Origin) -> None:
    """The person came after the backup of the keys, and before the end of that of the data."""
    try:
        origin.write_of_person("identity")
        archive_all(origin.data)
        code, report, _ = drill(origin, *backups(origin))
    finally:
        archive_all(origin.keys)
    assert code == 1
    [finding] = report["findings"]
    assert "identity: events name 1 data keys that the backup of the keys lacks" in finding
    assert drill(origin, *backups(origin)).code == 0


def test_damaged_file_of_a_backup_is_refused(origin: Origin, tmp_path: Path) -> None:
    spoilt = copy_of(origin, tmp_path)
    base = max((spoilt / "base").iterdir())
    [relation, *_] = sorted((base / "base").glob("*/1259"))
    content = bytearray(relation.read_bytes())
    content[4000] ^= 1
    relation.write_bytes(content)
    code, _, refusal = drill(origin, "--data", spoilt, "--without-keys")
    assert code == 2
    assert "is not what was backed up" in " ".join(refusal.split())


def test_backup_without_the_wal_that_it_needs_is_refused(origin: Origin, tmp_path: Path) -> None:
    spoilt = copy_of(origin, tmp_path)
    for path in (spoilt / "wal").iterdir():
        path.unlink()
    code, _, refusal = drill(origin, "--data", spoilt, "--without-keys")
    assert code == 2
    assert "PostgreSQL cannot recover from it" in refusal


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--without-keys",), "neither base/"),
        ((), "--keys"),
        (("--without-keys", "--until", "2020-01-01T00:00:00"), "base backup that ended by"),
    ],
)
def test_drill_names_the_part_of_a_backup_that_is_missing(
    origin: Origin, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    data = origin.data.backups if "--until" in options else tmp_path
    code, _, refusal = drill(origin, "--data", data, *options)
    assert code == 2
    assert word in " ".join(refusal.split())


def test_dumps_of_one_machine_come_back(origin: Origin, tmp_path: Path) -> None:
    for name, one in (("data", origin.data), ("keys", origin.keys)):
        (tmp_path / name).mkdir()
        one.server.dump(tmp_path / name / "database.dump")
    code, report, _ = drill(
        origin, "--data", tmp_path / "data", "--keys", tmp_path / "keys",
        "--witness", origin.witness,
    )  # fmt: skip
    assert (code, report["findings"]) == (0, [])
    assert report["logs"]["ledger"]["head"] == 6


def test_job_on_kubernetes_looks_at_databases_that_answer(origin: Origin, tmp_path: Path) -> None:
    environ = {
        "SALDO_DATABASE_URL": origin.data.server.url,
        "SALDO_KEYS_DATABASE_URL": origin.keys.server.url,
    }
    every = [line.removeprefix("saldo ") for line in commands("drill")]
    assert run_script(tmp_path, environ, {}) == (0, every, "")
    for code in (1, 2):  # not proved; refused, or without an answer
        done = run_script(tmp_path, environ, {"verify": code})
        assert (done.code, done.called) == (code, every[:2])


def test_archive_keeps_a_file_once_and_never_another_in_its_place(tmp_path: Path) -> None:
    script, wal = REPOSITORY / "deploy" / "postgres" / "archive_wal.sh", tmp_path / "wal"
    wal.mkdir()
    segment = tmp_path / "segment"

    def archive(content: str) -> int:
        segment.write_text(content)
        command = ["/bin/sh", str(script), str(segment), "000000010000000000000001", str(wal)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert archive("one") == 0
    assert archive("one") == 0
    assert archive("other") == 1
    assert [path.read_text() for path in wal.iterdir()] == ["one"]
    wal.rename(tmp_path / "not-mounted")
    assert archive("two") == 1
    assert not wal.exists()
