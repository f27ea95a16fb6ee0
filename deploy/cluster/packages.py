"""What a cluster needs beyond an installation: Patroni, etcd and HAProxy.

Patroni comes from PyPI, by a lock file of its own with hashes, into `.saldo/patroni/`: Debian 12
has a version that does not know PostgreSQL 18. etcd and HAProxy come as Debian's packages, without
their services.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from deploy.embedded.install import MissingPrerequisite, install_with_root
from deploy.embedded.surroundings import REPOSITORY

LOCK = Path(__file__).with_name("requirements.lock")
FOLDER = REPOSITORY / ".saldo" / "patroni"
_STAMP = FOLDER / "installed-from"
_INSTALL_S = 300


def etcd() -> Path:
    """Return etcd, installed where it is missing; raises MissingPrerequisite."""
    return debian_file("etcd-server", "/usr/bin/etcd")


def haproxy() -> Path:
    """Return HAProxy, installed where it is missing; raises MissingPrerequisite."""
    return debian_file("haproxy", "/usr/sbin/haproxy")


def patroni() -> Path:
    """Return Patroni, installed where it is missing; raises MissingPrerequisite."""
    program = FOLDER / "bin" / "patroni"
    # Scripts name the folder of their interpreter: they do not outlive a move of the checkout.
    depends_on = f"{FOLDER}|{sys.version}".encode() + LOCK.read_bytes()
    fingerprint = hashlib.sha256(depends_on).hexdigest()
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "patroni.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # others wait for the one that installs
        if not _STAMP.exists() or _STAMP.read_text("ascii") != fingerprint:
            _install_patroni()
            _STAMP.write_text(fingerprint, "ascii")
    return program


def debian_file(package: str, path: str) -> Path:
    """Return a file of a Debian package (a pattern), which is installed where it is missing.

    Raises MissingPrerequisite where that cannot be done.
    """
    if found := find(path):
        return found
    install_with_root(package, f"The package {package}")
    if found := find(path):
        return found
    raise MissingPrerequisite(f"the package {package} has no file {path}")


def find(pattern: str) -> Path | None:
    """Return the first file of the machine that matches a pattern."""
    return next(iter(sorted(Path("/").glob(pattern.lstrip("/")))), None)


def _install_patroni() -> None:
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
            raise MissingPrerequisite(f"Patroni could not be installed: {done.stderr[-500:]}")
