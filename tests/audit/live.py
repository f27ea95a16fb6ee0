"""Ask the service of advisories, by pip-audit, which lives in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tests.audit.advisories import Hole

TIMEOUT_SECONDS = 180
KNOWN_HOLE = "jinja2==3.1.2\n"
"""A version with known holes: a service that does not know them has not answered."""


class NoAnswerError(Exception):
    """Raised where nobody answers; the text says why."""


def ask(lock: Path, tool_lock: Path, folder: Path) -> list[Hole]:
    """Return the holes of a lock; raises NoAnswerError unless all packages were looked up."""
    try:
        tool = _installed(tool_lock, folder / "venv")
        probe = folder / "probe.txt"
        probe.write_text(KNOWN_HOLE, encoding="utf-8")
        if not list(_holes(_report(tool, probe, folder))):
            raise NoAnswerError("it does not know holes that are well known")
        report = _report(tool, lock, folder)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        raise NoAnswerError(type(error).__name__) from error
    left_out = [one["name"] for one in report["dependencies"] if "skip_reason" in one]
    if left_out:
        raise NoAnswerError(f"it does not know {', '.join(sorted(left_out)[:5])}")
    return list(_holes(report))


def _installed(tool_lock: Path, venv: Path) -> Path:
    """Return pip-audit, installed once for each version of its lock."""
    stamp = venv / "lock.txt"
    wanted = tool_lock.read_text(encoding="utf-8")
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        make = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)]
        subprocess.run(make, check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install"]
        subprocess.run(
            [
                *pip,
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                str(tool_lock),
            ],
            check=True,
            timeout=TIMEOUT_SECONDS,
            capture_output=True,
        )
        stamp.write_text(wanted, encoding="utf-8")
    return venv / "bin" / "pip-audit"


def _report(tool: Path, lock: Path, folder: Path) -> dict[str, Any]:
    written = folder / "report.json"
    written.unlink(missing_ok=True)
    # Its exit code is 1 both for holes and for some of its own errors: the report decides.
    subprocess.run(
        [str(tool), "--requirement", str(lock), "--disable-pip", "--no-deps", "--timeout", "5",
         "--progress-spinner", "off", "--format", "json", "--output", str(written)],
        check=False,
        timeout=TIMEOUT_SECONDS,
        capture_output=True,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return report


def _holes(report: dict[str, Any]) -> Iterator[Hole]:
    for one in report["dependencies"]:
        for found in one.get("vulns", ()):
            names = frozenset((found["id"], *found.get("aliases", ())))
            yield Hole(canonicalize_name(one["name"]), one["version"], names)
