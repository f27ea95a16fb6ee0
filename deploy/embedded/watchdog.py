"""The watchdog restarts the supervisor when it is gone.

It lives as long as Saldo runs, and is started without packages (`python -S`): it takes 3 MB, and 10
if it imports what the supervisor does. So it does by itself what `deploy.embedded.daemon` does for
the supervisor: `run/watchdog.lock` is held, `run/watchdog.json` says who holds it.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time

POLL_SECONDS = 0.1
_BOOT = "/proc/sys/kernel/random/boot_id"


def main(root: str) -> None:
    with open(f"{root}/run/watchdog.lock", "a") as own:
        if not _locked(own.fileno()):
            return
        _write_record(f"{root}/run/watchdog.json")
        supervisor = 0
        while os.access(f"{root}/run/enabled", os.F_OK):
            if not _is_starting(supervisor) and not _is_held(f"{root}/run/supervisor.lock"):
                supervisor = _start_supervisor(root)
            time.sleep(POLL_SECONDS)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: str) -> bool:
    """Return whether a process holds a lock; not if its folder is gone."""
    try:
        lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return False
    try:
        return not _locked(lock)
    finally:
        os.close(lock)


def _write_record(path: str) -> None:
    """Write what `deploy.embedded.process.Record` reads."""
    with open("/proc/self/stat") as stat, open(_BOOT) as boot:
        fields = f'"digest":"-","boot":"{boot.read().strip()}","stat":"{stat.read().strip()}"'
    with open(path, "w") as record:
        record.write(f"{{{fields}}}")


def _start_supervisor(root: str) -> int:
    """Start it in a session of its own, in our environment and folder; return its pid."""
    log = f"{root}/log/supervisor.log"
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "deploy.embedded.supervisor", root],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _is_starting(pid: int) -> bool:
    """Return whether our child lives; one that has ended is reaped."""
    if not pid:
        return False
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main(sys.argv[1])
