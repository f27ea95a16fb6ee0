"""Starts, identifies and signals our own processes, and never any other.

A process is identified by its pid *and* its start time, so that a reused pid is never mistaken for
ours. The child writes its own record before it executes the program, so that a crash of the starter
cannot leave an unrecorded child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

POLL_SECONDS = 0.1

# Children are meant to outlive us; those that end earlier are reaped from this list.
_children: list[subprocess.Popen[bytes]] = []

# $1: the record, $2: the digest of the process's description, $3: the boot id; then the program.
_LAUNCH = (
    "read -r stat < /proc/$$/stat; "
    'printf \'{"digest":"%s","boot":"%s","stat":"%s"}\' "$2" "$3" "$stat" > "$1"; '
    # A core file would hold the keys and the data that the process works with.
    'ulimit -c 0; shift 3; exec "$@"'
)


class Identity(msgspec.Struct, frozen=True):
    """Identifies a process until the next reboot; `started` is in clock ticks since boot."""

    pid: int
    started: int
    boot: str


class Record(msgspec.Struct, frozen=True):
    """The record that a process writes when it starts; `stat` is its /proc/<pid>/stat."""

    digest: str
    boot: str
    stat: str

    @property
    def identity(self) -> Identity:
        pid, started, _ = _read_stat(self.stat)
        return Identity(pid, started, self.boot)


def boot_id() -> str:
    """Return the id of the current boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identity_of(pid: int) -> Identity | None:
    """Return the process that has this pid now, also a zombie; None if there is none."""
    stat = _stat_of(pid)
    if stat is None:
        return None
    _, started, _ = _read_stat(stat)
    return Identity(pid, started, boot_id())


def myself() -> Identity:
    """Return the identity of the calling process."""
    identity = identity_of(os.getpid())
    if identity is None:
        raise RuntimeError("/proc does not show this process: Linux with /proc is needed")
    return identity


def is_alive(identity: Identity | None) -> bool:
    """Return whether exactly this process runs; a zombie does not."""
    if identity is None or identity.boot != boot_id():
        return False
    stat = _stat_of(identity.pid)
    if stat is None:
        return False
    _, started, state = _read_stat(stat)
    return started == identity.started and state not in "ZX"


def start(
    argv: Sequence[str],
    *,
    record: Path | None,
    log: Path,
    environ: Mapping[str, str],
    cwd: Path,
    digest: str = "-",
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that it outlives its parent.

    A launcher writes the record first; with None the program has to.
    """
    launch: list[str] = []
    if record is not None:
        launch = ["/bin/sh", "-c", _LAUNCH, "launch", str(record), digest, boot_id()]
    reap()
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*launch, *argv],
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)
    return child


def reap() -> None:
    """Reap our children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def read_record(path: Path) -> Record | None:
    """Read a record; None if there is none, or if a crash of the machine truncated it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def write_own_record(path: Path) -> None:
    """Write the record of the calling process."""
    stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    path.write_bytes(msgspec.json.encode(Record(digest="-", boot=boot_id(), stat=stat)))


def send(identity: Identity, number: int) -> bool:
    """Signal exactly this process; False if it is gone."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle is bound to one process, so a check after opening it is final.
        if not is_alive(identity):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def stop(identity: Identity, number: int = signal.SIGTERM, seconds: float = 10.0) -> bool:
    """Stop a process by a signal, or kill it; True if the signal was enough."""
    graceful = True
    if send(identity, number) and not wait_for_end(identity, seconds):
        graceful = False
        send(identity, signal.SIGKILL)
        wait_for_end(identity, 5.0)
    end_session(identity)
    return graceful


def wait_for_end(identity: Identity, seconds: float) -> bool:
    """Wait until a process has ended; False on timeout."""
    limit = time.monotonic() + seconds
    while is_alive(identity):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def end_session(leader: Identity) -> None:
    """Kill the remaining processes in the session of a leader that has ended."""
    if is_alive(leader):
        raise ValueError(f"process {leader.pid} is still alive: stop it first")
    if identity_of(leader.pid) not in {None, leader}:
        return  # the pid, and with it the session id, was reused
    for member in session_members(leader.pid):
        send(member, signal.SIGKILL)


def session_members(session: int) -> Iterator[Identity]:
    """Yield the living processes of a session."""
    boot = boot_id()
    for entry in Path("/proc").iterdir():
        stat = _stat_of(int(entry.name)) if entry.name.isdigit() else None
        if stat is None:
            continue
        pid, started, state = _read_stat(stat)
        if int(stat.rpartition(")")[2].split()[3]) == session and state not in "ZX":
            yield Identity(pid, started, boot)


def descendants(leader: Identity) -> list[Identity]:
    """Return the living processes below a process, parents first."""
    if not is_alive(leader):
        return []
    boot = boot_id()
    children: dict[int, list[Identity]] = {}
    for entry in Path("/proc").iterdir():
        stat = _stat_of(int(entry.name)) if entry.name.isdigit() else None
        if stat is None:
            continue
        pid, started, state = _read_stat(stat)
        if state not in "ZX":
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(Identity(pid, started, boot))
    found = [leader]
    for one in found:
        found += children.get(one.pid, [])
    return found[1:]


def _stat_of(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None


def _read_stat(stat: str) -> tuple[int, int, str]:
    """Parse pid, start time and state from a /proc/<pid>/stat (proc(5)).

    The second field, the command in parentheses, may itself contain parentheses.
    """
    fields = stat.rpartition(")")[2].split()
    return int(stat.partition(" ")[0]), int(fields[19]), fields[0]
