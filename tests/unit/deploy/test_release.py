"""A release is refused as a whole, or is one commit, one tag and one complete wheel."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import pytest

from deploy import release

REPOSITORY = Path(__file__).resolve().parents[3]
DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"
DAY = date(2027, 1, 15)
PROJECT = '[project]\nname = "saldo"\nversion = "0.1.0"\n'
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.0.1] - 2026-01-01\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@example.org")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    release.git(tmp_path, "init", "--quiet")
    release.git(tmp_path, "add", ".")
    release.git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_release_is_one_tagged_commit_with_version_and_changelog_section(checkout: Path) -> None:
    release.prepare(checkout, "0.2.0", DAY)

    assert 'version = "0.2.0"' in (checkout / "pyproject.toml").read_text()
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert changelog.index("## [Unreleased]") < changelog.index("## [0.2.0] - 2027-01-15")
    assert changelog.index("## [0.2.0]") < changelog.index("- A thing.") < changelog.index("0.0.1")
    assert release.git(checkout, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert release.git(checkout, "tag", "--points-at", "HEAD") == "v0.2.0"
    assert release.git(checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("2", "not a version"),
        ("0.2.0-rc1", "not a version"),
        ("0.0.9", "below 0.1.0"),
    ],
)
def test_version_that_cannot_follow_is_refused(checkout: Path, version: str, reason: str) -> None:
    with pytest.raises(release.Refused, match=reason):
        release.prepare(checkout, version, DAY)
    assert release.git(checkout, "tag", "--list") == ""


def test_released_version_is_not_released_again(checkout: Path) -> None:
    release.prepare(checkout, "0.1.0", DAY)
    with pytest.raises(release.Refused, match="nothing under"):
        release.prepare(checkout, "0.1.0", DAY)


def test_uncommitted_change_refuses_a_release_and_stays(checkout: Path) -> None:
    (checkout / "new.txt").write_text("mine")
    with pytest.raises(release.Refused, match="not committed"):
        release.prepare(checkout, "0.2.0", DAY)
    assert (checkout / "pyproject.toml").read_text() == PROJECT


def test_wheel_holds_every_file_of_its_packages_and_the_same_bytes_each_time(
    tmp_path: Path,
) -> None:
    """A migration or a template that is missing from the wheel is found here, not at a customer."""
    copy = tmp_path / "copy"
    tracked = release.git(REPOSITORY, "ls-files", "services", "gateway", "shared", "deploy")
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(copy)], check=True)

    built = []
    for _ in range(2):
        assert release.build_wheel(copy)
        [wheel] = (copy / "dist").glob("saldo-*.whl")
        built.append(wheel.read_bytes())
    assert built[0] == built[1]

    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    in_tree = {name for name in tracked.splitlines() if (copy / name).is_file()}
    assert in_tree - packed - {"deploy/Dockerfile"} == set()


def test_image_has_the_times_of_its_commit_and_the_base_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker, said = tmp_path / "docker", tmp_path / "said"
    docker.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SALDO_BASE_IMAGE", "registry.example.org/python@sha256:aa")
    assert release.build_image(REPOSITORY, "1.2.3")
    words = said.read_text().splitlines()
    time = release.git(REPOSITORY, "log", "-1", "--format=%ct")
    assert words[-1] == "."
    assert f"SOURCE_DATE_EPOCH={time}" in words
    assert "PYTHON=registry.example.org/python@sha256:aa" in words
    dockerfile = DOCKERFILE.read_text(encoding="utf-8")
    assert dockerfile.count("ARG PYTHON=") == dockerfile.count("ARG SOURCE_DATE_EPOCH=") == 1


def test_last_stage_of_the_image_only_copies_what_has_the_times_of_the_commit() -> None:
    """What is run there would write the time of the build, into files or the folders above them."""
    steps = steps_of(DOCKERFILE.read_text(encoding="utf-8"))
    begins = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    before, last = steps[:begins], dict(steps[begins:])
    assert len(last) == len(steps[begins:]), "a layer more"
    assert last.keys() == {"FROM", "LABEL", "COPY", "ENV", "USER", "WORKDIR", "CMD"}
    assert last["COPY"] == "--from=build /image/ /"
    assert last["WORKDIR"] == "/tmp", "which the base has"  # noqa: S108
    name, commands = before[-1]
    assert name == "RUN"
    stamped = 'find /image -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +'
    assert commands.split(" && ")[-1] == stamped, "something is written after it"


def steps_of(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with what follows it, in one line."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    found = [line.partition(" ") for line in whole.splitlines() if line]
    return [(name, rest) for name, _, rest in found]
