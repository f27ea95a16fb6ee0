"""The environment of django-hordak, created on first use from its own lock file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import CannotMeasureError

LOCK = Path(__file__).with_name("requirements.lock")
FOLDER = Path(__file__).resolve().parents[3] / ".saldo" / "bench" / "hordak"
STAMP = FOLDER / "installed-from"


def interpreter(progress: Callable[[str], None]) -> Path:
    """Return the Python interpreter with django-hordak.

    Raises CannotMeasureError when it cannot be installed.
    """
    python = FOLDER / "bin" / "python"
    fingerprint = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text("ascii") == fingerprint:
        return python
    progress("making an environment for django-hordak")
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], lambda _: None)
    total = sum("==" in line for line in LOCK.read_text("utf-8").splitlines())
    collected = 0

    def count(line: str) -> None:
        nonlocal collected
        if line.startswith("Collecting "):
            collected += 1
            progress(f"installing django-hordak: {collected} of up to {total} packages")

    _run(
        [
            str(python), "-m", "pip", "install", "--require-hashes", "-r", str(LOCK),
            "--progress-bar=off", "--disable-pip-version-check",
        ],
        count,
    )  # fmt: skip
    STAMP.write_text(fingerprint, "ascii")
    return python


def _run(command: list[str], on_line: Callable[[str], None]) -> None:
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        for line in running.stdout or ():
            lines.append(line)
            on_line(line)
    if running.returncode:
        raise CannotMeasureError(
            "django-hordak could not be installed (is the package index reachable?): "
            + "".join([line for line in lines if line.startswith("ERROR")] or lines[-3:]).strip()
        )
