"""`make audit`: a locked package with a known hole fails it, and silence is said loudly."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.audit import __main__ as command
from tests.audit import live
from tests.audit.advisories import (
    Advisory,
    AuditError,
    Hole,
    Range,
    holes,
    not_allowed,
    read_allowed,
    read_copy,
    read_lock,
)
from tests.audit.copying import copied
from tests.audit.live import NoAnswerError

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = sorted(
    path
    for path in REPOSITORY.rglob("requirements.lock")
    if not {".venv", ".saldo"} & set(path.relative_to(REPOSITORY).parts)
)
VULNERABLE = "werkzeug==3.0.0"
HOLE = "PYSEC-2023-221"


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Return the lock of the product with one version that has a known hole."""
    lock = tmp_path / "requirements.lock"
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    changed = re.sub(r"(?m)^werkzeug==\S+", VULNERABLE, text)
    assert changed != text
    lock.write_text(changed, encoding="utf-8")
    return lock


@pytest.fixture
def allowing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    """Return a function that allows the planted hole until a day."""

    def allow(until: date) -> None:
        path = tmp_path / "allowed.toml"
        path.write_text(
            f'[[allowed]]\nid = "CVE-2023-46136"\npackage = "Werkzeug"\n'
            f'reason = "No form is parsed by it."\nuntil = {until.isoformat()}\n',
            encoding="utf-8",
        )
        monkeypatch.setattr(command, "ALLOWED", path)

    return allow


def today() -> date:
    return datetime.now(UTC).date()


def test_every_package_of_the_lock_is_allowed_or_has_no_known_hole() -> None:
    copy, allowed = read_copy(command.COPY), read_allowed(command.ALLOWED, today())
    assert len(LOCKS) >= 3
    for lock in LOCKS:
        assert not_allowed(holes(read_lock(lock), copy), allowed) == [], lock


def test_every_package_of_the_lock_has_its_hash() -> None:
    for lock in LOCKS:
        text = lock.read_text(encoding="utf-8")
        pinned = re.split(r"(?m)^(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", text))
        for entry in filter(None, pinned):
            assert re.match(r"[a-z0-9.\-]+==", entry), entry
            assert "--hash=sha256:" in entry, entry


def test_planted_vulnerable_version_fails(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.audit(planted, "offline") == 1
    assert f"KNOWN HOLE in werkzeug 3.0.0: CVE-2023-46136, GHSA-hrfv-mqp8-q5rw, {HOLE}" in (
        capsys.readouterr().out
    )


def test_make_check_runs_the_audit() -> None:
    planned = subprocess.run(
        ["make", "--dry-run", "check"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "-m tests.audit\n" in planned.stdout
    assert "make check" in (REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def test_silence_is_said_loudly_and_fails_where_an_answer_is_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(*_: object) -> list[Hole]:
        raise NoAnswerError("ConnectionError")

    monkeypatch.setattr(command, "ask", silent)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.audit(command.LOCK, "") == 0
    assert "!!! THE SERVICE OF ADVISORIES DID NOT ANSWER (ConnectionError)" in (
        capsys.readouterr().err
    )
    assert command.audit(command.LOCK, "required") == 1


def test_hole_that_only_the_service_knows_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hole = Hole("jinja2", "3.1.6", frozenset({"PYSEC-2026-1"}))
    monkeypatch.setattr(command, "ask", lambda *_: [hole])
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.audit(command.LOCK, "required") == 1
    assert "KNOWN HOLE in jinja2 3.1.6: PYSEC-2026-1" in capsys.readouterr().out


def test_an_allowed_hole_fails_again_when_its_day_is_over(
    planted: Path, allowing: Callable[[date], None]
) -> None:
    allowing(today() + timedelta(days=1))
    assert command.audit(planted, "offline") == 0
    allowing(today() - timedelta(days=1))
    with pytest.raises(AuditError, match="time is up for CVE-2023-46136"):
        command.audit(planted, "offline")


@pytest.mark.parametrize(
    "entry",
    [
        'id = "X"\npackage = "a"\nreason = " "\nuntil = 2099-01-01',
        'id = "X"\npackage = "a"\nuntil = 2099-01-01',
        'id = "X"\npackage = "a"\nreason = "none"\nuntil = "2099-01-01"',
    ],
)
def test_an_entry_needs_a_reason_and_a_day(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "allowed.toml"
    path.write_text(f"[[allowed]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(AuditError):
        read_allowed(path, today())


def test_a_range_ends_before_what_is_fixed() -> None:
    advisory = Advisory(
        "X", "a", (), (Range("0", "1.2"), Range("2.0", None, "2.1"), Range("3.0")), frozenset({"9"})
    )
    affected = [
        v for v in ("0.1", "1.2rc1", "1.2", "2.0", "2.1", "2.2", "3.0", "4") if advisory.affects(v)
    ]
    assert affected == ["0.1", "1.2rc1", "2.0", "2.1", "3.0", "4"]
    assert Advisory("X", "a", (), (), frozenset({"9"})).affects("9")


ADVISORY = """
id: PYSEC-2026-1
aliases: [CVE-2026-1]
affected:
- package: {ecosystem: PyPI, name: Some_Package}
  ranges:
  - type: GIT
    events: [{introduced: "0"}, {fixed: 0123abcd}]
  - type: ECOSYSTEM
    events: [{introduced: "0"}, {fixed: "1.0"}, {introduced: "2.0"}]
"""


def clone_of(folder: Path, **advisories: str) -> Path:
    """Return a repository with advisories by their names."""
    vulns = folder / "vulns"
    vulns.mkdir()
    for name, text in advisories.items():
        (vulns / f"{name}.yaml").write_text(text, encoding="utf-8")
    git = ["git", "-C", str(folder), "-c", "user.name=tests", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "Add advisories"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


def test_copy_has_the_ranges_of_advisories_that_hold(tmp_path: Path) -> None:
    clone = clone_of(tmp_path, one=ADVISORY, withdrawn=ADVISORY + "withdrawn: 2026-11-01\n")
    written = clone / "advisories.json"
    written.write_text(copied(clone), encoding="utf-8")
    ranges = (Range("0", "1.0"), Range("2.0"))
    assert read_copy(written).by_package == {
        "some-package": (Advisory("PYSEC-2026-1", "some-package", ("CVE-2026-1",), ranges),)
    }


def test_copy_of_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditError):
        copied(tmp_path)


def tool(path: Path, answers: str) -> Path:
    """Write a pip-audit that answers the probe and the lock by an expression of `pins`."""
    program = path / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\nimport json, re, sys\n"
        "given = dict(zip(sys.argv[1::1], sys.argv[2::1]))\n"
        "text = open(given['--requirement']).read()\n"
        "pins = re.findall(r'(?m)^([\\w.-]+)==([^\\s;]+)', text)\n"
        f"found = {answers}\n"
        "json.dump({'dependencies': found}, open(given['--output'], 'w'))\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


KNOWS = (
    "[{'name': n, 'version': v, 'vulns': [{'id': 'A', 'aliases': []}] if v == '3.1.2' else []}"
    " for n, v in pins]"
)
KNOWS_NOTHING = "[{'name': n, 'version': v, 'vulns': []} for n, v in pins]"
SKIPS = "[{'name': n, 'skip_reason': 'not found'} for n, v in pins]"


@pytest.mark.parametrize(
    ("answers", "answered"), [(KNOWS, True), (KNOWS_NOTHING, False), (SKIPS, False)]
)
def test_a_service_that_knows_nothing_has_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: str, answered: bool
) -> None:
    program = tool(tmp_path, answers)
    monkeypatch.setattr(live, "_installed", lambda *_: program)
    if answered:
        assert live.ask(command.LOCK, command.TOOL_LOCK, tmp_path) == []
        return
    with pytest.raises(NoAnswerError):
        live.ask(command.LOCK, command.TOOL_LOCK, tmp_path)
