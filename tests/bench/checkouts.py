"""Installations of this checkout and of another commit, each started by its own code."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from deploy.embedded.surroundings import REPOSITORY
from tests.bench.measure import CannotMeasureError

UP_SECONDS = 300.0
_DAEMONS = {"supervisor", "watchdog", "guard"}
"""Those that start the processes: the processes may be below them."""

# Both know the same classes: what is passed is the folder, and the process to end with. An older
# commit makes no fiscal receipts.
_UP = """
import os, sys
from inspect import signature
from pathlib import Path
from deploy.embedded import process
from deploy.embedded.installation import Installation

def without_fiscal(spec):
    import msgspec
    kept = {name: value for name, value in spec.environ.items() if name != "SALDO_FISCAL"}
    return msgspec.structs.replace(spec, environ=kept)

options = {"owner": process.identity_of(int(sys.argv[2]))}
if sys.argv[4] == "1" and "together" in signature(Installation).parameters:
    options["together"] = True
if sys.argv[3] == "0" and "adapt" in signature(Installation).parameters:
    options["adapt"] = without_fiscal
Installation(Path(sys.argv[1]), os.environ, **options).up(seconds=240)
"""
_RESET = """
import sys
from pathlib import Path
from deploy.embedded.installation import Installation
Installation(Path(sys.argv[1])).reset()
"""
# How a payer of the demo's loop is made has another name in older commits.
PAYERS_PROGRAM = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from deploy.demo import loop
from deploy.demo.company import demo_accounts, households
make = getattr(loop, "_make_payer", None) or loop._settled
accounts = households(demo_accounts())
number = int(sys.argv[1])

def payer(place):
    found = loop.Place(
        os.environ["SALDO_URL"], Path(os.environ["SALDO_MAIL_DIR"]), accounts[place::number]
    )
    journey = make(found)
    person = getattr(journey, "person", None) or journey.traveller
    accounts_of = [account["number"] for account in journey.client.accounts()]
    return {"email": person.email, "token": journey.client.token, "accounts": accounts_of}

with ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(payer, range(number)))))
"""


@dataclass(frozen=True)
class Person:
    """Somebody with a session and accounts to pay."""

    email: str
    token: str
    accounts: list[str]


@dataclass(frozen=True)
class Checkout:
    """The code of an installation: its folder, and the interpreter that has what it needs."""

    folder: Path
    python: str

    def run(self, program: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a program in the checkout; return its output. Raises CannotMeasureError."""
        return self._run("-c", program, *arguments, env=env)

    def module(self, *arguments: str, env: Mapping[str, str]) -> None:
        """Run ``python -m`` in the checkout. Raises CannotMeasureError."""
        self._run("-m", *arguments, env=env)

    def _run(self, *arguments: str, env: Mapping[str, str] | None) -> str:
        done = subprocess.run(
            [self.python, "-W", "ignore", *arguments],
            cwd=self.folder,
            env=_without_settings() | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise CannotMeasureError(f"{self.folder.name}: {arguments[1][:40]!r} failed: {last}")
        return done.stdout


@dataclass(frozen=True)
class House:
    """A running installation with payers. ``environment`` is that of its `.saldo/env`."""

    name: str
    state: Path
    environment: Mapping[str, str]
    people: list[Person]

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Return its processes by name, each with all below it."""
        found = {}
        for path in (self.state / "run").glob("*.json"):
            if path.stem in _DAEMONS:
                continue
            record = json.loads(path.read_text(encoding="utf-8"))
            try:
                leader = psutil.Process(int(record["stat"].split()[0]))
                found[path.stem] = [leader, *leader.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found


@contextmanager
def running_house(
    name: str,
    checkout: Checkout,
    payers: int,
    progress: Callable[[str], None] = lambda _: None,
    *,
    fiscal: bool = True,
    together: bool = False,
) -> Iterator[House]:
    """Run an installation on nodes of its own, with the demo company and so many payers.

    Without ``fiscal`` it makes no fiscal receipts; ``together`` starts the doubles in one process,
    as `make up` does, where the commit can.
    """
    with tempfile.TemporaryDirectory(prefix="saldo-bench-") as folder:
        # Whoever the nodes run as has to enter it.
        Path(folder).chmod(0o711)
        state = Path(folder) / "state"
        progress(f"{name}: an installation starts")
        try:
            options = (str(int(fiscal)), str(int(together)))
            checkout.run(_UP, str(state), str(os.getpid()), *options)
            environment = _settings_in(state / "env")
            progress(f"{name}: the demo company is loaded")
            checkout.module("deploy.demo", "load", env=environment)
            progress(f"{name}: payers register")
            people = json.loads(checkout.run(PAYERS_PROGRAM, str(payers), env=environment))
            yield House(name, state, environment, [Person(**one) for one in people])
        finally:
            checkout.run(_RESET, str(state))


def this_checkout() -> Checkout:
    """Return the code that measures."""
    return Checkout(REPOSITORY, sys.executable)


@contextmanager
def checkout_of(commit: str) -> Iterator[Checkout]:
    """Check a commit out into a temporary folder. Raises CannotMeasureError."""
    with tempfile.TemporaryDirectory(prefix="saldo-commit-") as folder:
        # The nodes' commands run as another user, and read it.
        Path(folder).chmod(0o755)
        target = Path(folder) / commit
        _git("worktree", "add", "--detach", str(target), commit)
        try:
            yield Checkout(target, _interpreter_for(target, Path(folder) / "venv"))
        finally:
            _git("worktree", "remove", "--force", str(target))


def _git(*arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise CannotMeasureError(f"git {' '.join(arguments[:2])}: {reason}")


def _interpreter_for(checkout: Path, venv: Path) -> str:
    """Return our interpreter where it has what a commit locks, else one of a new environment."""
    lock = checkout / "requirements.lock"
    if all(_is_installed(line) for line in lock.read_text(encoding="utf-8").splitlines()):
        return sys.executable
    python = str(venv / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(venv)],
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise CannotMeasureError(f"there is no environment with the packages of {lock}")
    return python


def _is_installed(line: str) -> bool:
    """Return whether a package of a lock file is installed as it says; other lines name none."""
    name, equals, rest = line.partition("==")
    if not equals or name != name.strip() or name.startswith("#"):
        return True
    wanted = rest.split()[0]
    if ";" in rest:
        return True  # for another platform, perhaps
    try:
        return version(name.partition("[")[0]) == wanted
    except PackageNotFoundError:
        return False


def _settings_in(file: Path) -> dict[str, str]:
    words = [shlex.split(line)[-1] for line in file.read_text(encoding="utf-8").splitlines()]
    return dict(word.split("=", 1) for word in words if "=" in word)


def _without_settings() -> dict[str, str]:
    """Return our environment without what another installation has set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SALDO_")}
