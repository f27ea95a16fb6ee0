"""deploy/postgres/restore_base.sh: what it puts back, and how it tells the server to recover."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "postgres" / "restore_base.sh"
OLDER, NEWER = "20260301T011500Z", "20260302T011500Z"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Two base backups; the newer one is of a server that was itself recovered once."""
    folder = tmp_path / "backup"
    (folder / "wal").mkdir(parents=True)
    for name in (OLDER, NEWER):
        base = folder / "base" / name
        (base / "global").mkdir(parents=True)
        (base / "backup_label").write_text(name, encoding="ascii")
        (base / "global" / "1").write_text("row", encoding="ascii")
        (base / "postgresql.auto.conf").write_text(
            "work_mem = '9MB'\nrecovery_target_time = '2020-01-01 00:00:00+00'\n"
            "restore_command = 'false'\n",
            encoding="ascii",
        )
    (folder / "base" / ".draft").mkdir()
    return folder


def call(folder: Path, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(SCRIPT), str(folder), str(data), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def settings_of(data: Path) -> dict[str, str]:
    """Return the settings as PostgreSQL reads them: of two the last counts."""
    text = (data / "postgresql.auto.conf").read_text(encoding="ascii")
    return dict(re.findall(r"^(\w+) = '(.*)'$", text, re.MULTILINE))


def test_a_moment_is_recovered_to_and_written_from_then_on(backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "18" / "data"
    data.mkdir(parents=True)
    done = call(backup, data, "2026-03-02 04:00:00+03")
    assert done.returncode == 0, done.stderr
    assert (data / "backup_label").read_text(encoding="ascii") == OLDER
    assert (data / "recovery.signal").read_bytes() == b""
    assert (data / "global" / "1").read_text(encoding="ascii") == "row"
    assert data.stat().st_mode & 0o777 == 0o700
    assert settings_of(data) == {
        "work_mem": "9MB",
        "restore_command": f"cp {backup}/wal/%f %p",
        "recovery_target_timeline": "latest",
        "recovery_target_time": "2026-03-02 04:00:00+03",
        "recovery_target_action": "promote",
    }


def test_without_a_moment_the_archive_is_recovered_to_its_end(backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert call(backup, data).returncode == 0
    assert (data / "backup_label").read_text(encoding="ascii") == NEWER
    # A target of an earlier recovery would end this one.
    assert settings_of(data).keys() == {"work_mem", "restore_command", "recovery_target_timeline"}


@pytest.mark.parametrize(
    "moment",
    ["2026-02-28 12:00:00+03", "2026-03-02 12:00:00", "yesterday Z", "2026-03-02 12:00:00'+03"],
)
def test_a_moment_that_nothing_is_kept_of_is_refused(
    backup: Path, tmp_path: Path, moment: str
) -> None:
    done = call(backup, tmp_path / "data", moment)
    assert done.returncode == 1
    assert done.stderr.startswith("restore_base: ")
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "data.draft").exists()


def test_folder_with_data_is_refused_and_not_touched(backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("18", encoding="ascii")
    assert call(backup, data).returncode == 1
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_an_archive_that_is_not_mounted_is_noticed(backup: Path, tmp_path: Path) -> None:
    (backup / "wal").rmdir()
    assert call(backup, tmp_path / "data").returncode == 1
