"""``python -m deploy.release VERSION``: tag a version, and build its wheel and its image.

The version goes into pyproject.toml, the section "Unreleased" of CHANGELOG.md becomes that of the
version, both are committed and tagged ``v<version>``. Then the wheel is built into ``dist/``, with
the commit's time in it, so that the same commit gives the same bytes, and the image
``saldo:<version>`` from deploy/Dockerfile. Nothing is pushed.

Exit codes: 0 done, 1 tagged but an artefact is missing, 2 refused and nothing changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
UNRELEASED = "## [Unreleased]\n"


class Refused(Exception):  # noqa: N818 - why, and what to do
    """The release cannot be made; the text says what to do first."""


def main(arguments: list[str]) -> int:
    """Release the version that is named; return the exit code."""
    try:
        [version] = arguments
    except ValueError:
        print("usage: make release VERSION=1.2.3", file=sys.stderr)
        return 2
    try:
        prepare(ROOT, version, datetime.now(UTC).date())
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(f"Tagged v{version}. Publish it with: git push origin HEAD v{version}")
    built = [build_wheel(ROOT), build_image(ROOT, version)]
    return 0 if all(built) else 1


def prepare(root: Path, version: str, today: date) -> None:
    """Write the version into project file and changelog, commit both and tag the commit.

    Raises Refused before anything is changed.
    """
    project, changelog = root / "pyproject.toml", root / "CHANGELOG.md"
    new_project = with_version(project.read_text(encoding="utf-8"), version)
    new_changelog = with_section(changelog.read_text(encoding="utf-8"), version, today)
    if git(root, "status", "--porcelain"):
        raise Refused("There are changes that are not committed: commit or stash them first.")
    if git(root, "tag", "--list", f"v{version}"):
        raise Refused(f"The tag v{version} exists: choose the next version.")
    project.write_text(new_project, encoding="utf-8")
    changelog.write_text(new_changelog, encoding="utf-8")
    git(root, "commit", "--quiet", "--all", "--message", f"Release {version}")
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Saldo {version}")


def with_version(project: str, version: str) -> str:
    """Return the project file with a version that is not below the one it has."""
    if not VERSION.fullmatch(version):
        raise Refused(f"{version!r} is not a version: write it like 1.2.3 (Semantic Versioning).")
    found = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    if found is None:
        raise Refused("pyproject.toml has no line `version = ...`.")
    if numbers(version) < numbers(found[1]):
        raise Refused(f"{version} is below {found[1]}, the version in pyproject.toml.")
    return project[: found.start(1)] + version + project[found.end(1) :]


def with_section(changelog: str, version: str, today: date) -> str:
    """Return the changelog with what was unreleased as the section of the version."""
    before, heading, rest = changelog.partition(UNRELEASED)
    changes = rest.split("\n## ", 1)[0].strip()
    if not heading or not changes:
        raise Refused('CHANGELOG.md has nothing under "## [Unreleased]": say what has changed.')
    if f"## [{version}]" in changelog:
        raise Refused(f"CHANGELOG.md has a section {version} already.")
    return f"{before}{heading}\n## [{version}] - {today.isoformat()}\n{rest}"


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare."""
    return tuple(int(part) for part in version.split("."))


def build_wheel(root: Path) -> bool:
    """Build the wheel into ``dist/``; return whether it is there."""
    shutil.rmtree(root / "build", ignore_errors=True)  # modules that have been removed since
    environ = {**os.environ, "SOURCE_DATE_EPOCH": git(root, "log", "-1", "--format=%ct")}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "-w", "dist", "."], cwd=root, env=environ, check=False)
    if done.returncode != 0:
        print("The wheel was not built: see above. Try again: make dist", file=sys.stderr)
        return False
    print(f"The wheel is in {root / 'dist'}")
    return True


def build_image(root: Path, version: str) -> bool:
    """Build the image with Docker; return whether it is there.

    Its times are the commit's. SALDO_BASE_IMAGE names another base than the Dockerfile's, best by a
    digest.
    """
    if shutil.which("docker") is None:
        print("There is no Docker here, so no image: make dist builds it where there is one.")
        return False
    given = {"SOURCE_DATE_EPOCH": git(root, "log", "-1", "--format=%ct")}
    if base := os.environ.get("SALDO_BASE_IMAGE"):
        given["PYTHON"] = base
    arguments = [
        word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")
    ]
    command = ["docker", "build", "--file", "deploy/Dockerfile", "--tag", f"saldo:{version}"]
    command += [*arguments, "."]
    return subprocess.run(command, cwd=root, check=False).returncode == 0


def build(root: Path) -> int:
    """Build wheel and image of the version that is checked out; return the exit code."""
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    version = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)[0]
    return 0 if all([build_wheel(root), build_image(root, version)]) else 1


def git(root: Path, *arguments: str) -> str:
    """Run git in a checkout; return what it prints, stripped. Raises Refused where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(build(ROOT) if sys.argv[1:] == ["--build-only"] else main(sys.argv[1:]))
