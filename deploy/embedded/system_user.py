"""The unprivileged user that the nodes run as when we are root.

PostgreSQL refuses to run as root, and RabbitMQ need not. The checkout may be in a folder that only
root may enter (/root, mode 700). Instead of changing its permissions, the node gets one capability
where it is needed: to search and read folders, or if a container withholds that one, to override
file permissions.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

USER = "saldo"
# Bit numbers of <linux/capability.h>, in the order of preference.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


class SystemUserError(Exception):
    """The nodes cannot run as an unprivileged user; the text says what to do."""


@dataclass(frozen=True)
class SystemUser:
    """The user to run as; None in both: the current user, who is not root."""

    uid: int | None
    gid: int | None

    def prefix(self, needed: Iterable[Path]) -> tuple[str, ...]:
        """Return the command prefix that runs a command as this user.

        `needed` are existing files and folders that the command must reach.
        """
        if self.uid is None:
            return ()
        confine: tuple[str, ...] = ("--inh-caps=-all", "--bounding-set=-all")
        if not all(self._reaches(path) for path in needed):
            confine = self._pass_through()
        return (
            _setpriv(),
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--clear-groups",
            *confine,
            "--no-new-privs",
            "--",
        )

    def own(self, path: Path) -> None:
        """Give a file, or a folder with its content, to this user."""
        if self.uid is None or self.gid is None:
            return
        for folder, _, files in os.walk(path):
            for name in (".", *files):
                # Of a node that runs, files come and go.
                with suppress(FileNotFoundError):
                    os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)

    def _reaches(self, path: Path) -> bool:
        """Return whether the user may enter a folder (execute a file) and all its parents."""
        resolved = path.resolve()
        if not self._may(resolved, stat.S_IXOTH | (0 if resolved.is_dir() else stat.S_IROTH)):
            return False
        return all(self._may(parent, stat.S_IXOTH) for parent in resolved.parents)

    def _may(self, path: Path, bits: int) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            bits <<= 6
        elif found.st_gid == self.gid:
            bits <<= 3
        return found.st_mode & bits == bits

    @staticmethod
    def _pass_through() -> tuple[str, ...]:
        bounding = _bounding_set()
        for name, bit in _CAPABILITIES.items():
            if bounding >> bit & 1:
                # access(2) ignores capabilities of ordinary users unless the set-uid fix-up is
                # off, and PostgreSQL checks for its own binary by access(2).
                return (
                    "--securebits=+no_setuid_fixup,+no_setuid_fixup_locked",
                    f"--inh-caps=-all,+{name}",
                    f"--ambient-caps=+{name}",
                    f"--bounding-set=-all,+{name}",
                )
        raise SystemUserError(
            f"user {USER} cannot enter this folder, and root lacks the capability to allow it: "
            "move the checkout to a folder that every user may enter, for example /opt/saldo"
        )


def system_user() -> SystemUser:
    """Return the user that the nodes run as; as root, create it if it is missing."""
    if os.geteuid() != 0:
        return SystemUser(None, None)
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        entry = _make_user()
    return SystemUser(entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise SystemUserError(
            f"create a system user {USER} (useradd is missing): nodes do not run as root"
        )
    command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    command += [f"--gid={USER}"] if _has_group() else ["--user-group"]
    command += ["--shell", "/usr/sbin/nologin", USER]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    # 9: the name exists, because a concurrent start created it.
    if result.returncode not in {0, 9}:
        raise SystemUserError(f"useradd could not make the user {USER}: {result.stderr.strip()}")
    return pwd.getpwnam(USER)


def _has_group() -> bool:
    try:
        grp.getgrnam(USER)
    except KeyError:
        return False
    return True


def _setpriv() -> str:
    path = shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise SystemUserError(
            "install util-linux: its setpriv is needed to run the nodes unprivileged"
        )
    return path


def _bounding_set() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    raise SystemUserError("/proc/self/status has no CapBnd: a Linux kernel is needed")
