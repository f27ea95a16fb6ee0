"""Other circumstances for one process: variables that it gets from its next start on.

`under_circumstances` wraps a process so that it reads them from files in the state folder: a fault
writes one, restarts the process, and removes the file when it heals. The process is otherwise as it
would be, and has the same pid.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from deploy.cluster import packages
from deploy.embedded import process
from deploy.embedded.install import MissingPrerequisite
from deploy.embedded.plan import ProcessSpec
from tests.faults.faults import House
from tests.faults.injectors.errors import TroubleError
from tests.waiting import eventually

WRAPPED = ("serve", "work", "seal", "gateway", "postgres")
START_S = 90.0
COMPILER = "gcc", "/usr/bin/gcc"
"""Debian's package, and a file of it."""
_COMPILE_S = 60
_FOLDER = "circumstances"

# $1: the folder, $2: the name of the process; then the program.
_START = (
    'for file in "$1/$2".*; do [ -e "$file" ] && . "$file"; done; '
    'cd -- "$3" 2>/dev/null; shift 3; exec "$@"'
)


def under_circumstances(spec: ProcessSpec, folder: Path) -> ProcessSpec:
    """Return a process that starts under the circumstances in a state folder."""
    if spec.name not in WRAPPED:
        return spec
    place = folder.resolve() / _FOLDER
    place.mkdir(parents=True, exist_ok=True)
    # PostgreSQL and RabbitMQ run as another user: what is preloaded is for him, not for setpriv.
    place.chmod(0o755)
    program = spec.argv.index("--") + 1 if spec.argv[0].endswith("/setpriv") else 0
    wrapper = ("/bin/sh", "-c", _START, "wrapper", str(place), spec.name, spec.cwd)
    return replace(spec, argv=(*spec.argv[:program], *wrapper, *spec.argv[program:]))


def is_wrapped(house: House) -> bool:
    """Return whether the processes of a house start under circumstances."""
    return (house.folder / _FOLDER).is_dir()


def change(house: House, name: str, subject: str, variables: Mapping[str, str]) -> None:
    """Give a process variables from its next start on; `subject` is what they are about."""
    text = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())
    path = house.folder / _FOLDER / f"{name}.{subject}"
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(path)


def can_compile() -> bool:
    """Return whether `compiled` works here."""
    return has_package_file(COMPILER[1])


def compiled(house: House, source: Path) -> Path:
    """Return a library, for processes of any user, that is to be put before the C library."""
    library = house.folder / _FOLDER / f"{source.stem}.so"
    compiler = package_file(*COMPILER)
    command = [str(compiler), "-shared", "-fPIC", "-nostdlib", "-O1"]
    # Whoever has loaded the one of before keeps it.
    draft = library.with_name(f".{library.name}")
    done = subprocess.run(
        [*command, "-o", str(draft), str(source)],
        capture_output=True, text=True, check=False, timeout=_COMPILE_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise TroubleError(f"{source.name} does not compile: {done.stderr[-500:]}")
    library.parent.chmod(0o755)
    draft.chmod(0o755)
    draft.replace(library)
    return library


def restore(house: House, name: str, subject: str) -> None:
    """Take the variables away, from the next start of the process on."""
    (house.folder / _FOLDER / f"{name}.{subject}").unlink(missing_ok=True)


def start_anew(house: House, name: str) -> process.Identity:
    """Kill a process with -9 and all below it, wait until another runs, and return it."""
    before = house.identities().get(name)
    below = process.descendants(before) if before else ()
    house.restart(name)
    # One that another fault has stopped would keep the memory that the next server needs.
    for one in below:
        process.send(one, signal.SIGKILL)

    def another() -> process.Identity | None:
        now = house.identities().get(name)
        return now if now is not None and now != before else None

    started = eventually(another, f"{name} starts again", START_S)
    assert started is not None
    return started


def preloads(identity: process.Identity, library: str) -> bool:
    """Return whether a process has loaded a library."""
    try:
        return library in Path(f"/proc/{identity.pid}/maps").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def package_file(package: str, path: str) -> Path:
    """Return a file of a Debian package (a pattern), which is installed where it is missing.

    Raises TroubleError where that cannot be done.
    """
    if not has_package_file(path) and os.geteuid() != 0:
        raise TroubleError(f"the package {package} is missing; as root it would be installed")
    try:
        return packages.debian_file(package, path)
    except MissingPrerequisite as missing:
        raise TroubleError(str(missing)) from None


def has_package_file(path: str) -> bool:
    """Return whether a file of a package (a pattern) is there."""
    return packages.find(path) is not None
