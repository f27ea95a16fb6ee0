"""What clusters need beyond an installation: Patroni and etcd.

Patroni comes from PyPI, by a lock file of its own with hashes, into `.saldo/patroni/`: Debian 12
has a version that does not know PostgreSQL 18. etcd comes as Debian's package, without its service.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from deploy.embedded.surroundings import REPOSITORY
from tests.faults.injectors.circumstances import package_file
from tests.faults.injectors.errors import TroubleError

LOCK = Path(__file__).with_name("requirements.lock")
FOLDER = REPOSITORY / ".saldo" / "patroni"
_STAMP = FOLDER / "installed-from"
_INSTALL_S = 300


def etcd() -> Path:
    """Return etcd, installed where it is missing; raises TroubleError where it cannot be had."""
    return package_file("etcd-server", "/usr/bin/etcd")


def patroni() -> Path:
    """Return Patroni, installed where it is missing; raises TroubleError where it cannot be had."""
    program = FOLDER / "bin" / "patroni"
    fingerprint = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "patroni.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers wait for the one that installs
        if not _STAMP.exists() or _STAMP.read_text("ascii") != fingerprint:
            _install()
            _STAMP.write_text(fingerprint, "ascii")
    return program


def _install() -> None:
    python = FOLDER / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(FOLDER)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "-r", str(LOCK)],
    ):  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_INSTALL_S
        )
        if done.returncode != 0:
            raise TroubleError(f"Patroni could not be installed: {done.stderr[-500:]}")
