"""Installs the prerequisites of Saldo. Needs only Python 3 and its standard library.

``python3 deploy/embedded/install.py`` creates `.venv` from requirements.lock and makes sure that
there is a RabbitMQ; ``--venv-only`` skips the second; ``--with-browser`` also makes sure that there
is the Chromium of the browser tests. A call with nothing to do takes milliseconds.
A missing prerequisite that cannot be installed is named in one sentence, with exit code 2.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "installed-from"
RABBITMQ = "rabbitmq-server"
RABBITMQ_LIBRARY = Path("/usr/lib/rabbitmq/lib")
SYSTEM_SERVICES = {RABBITMQ: RABBITMQ, "etcd-server": "etcd", "haproxy": "haproxy"}
"""The services that packages bring, which we do not want: we run processes of our own."""
BROWSER = "chromium"
BROWSER_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONTS = "fonts-dejavu-core"
FONTS_FOLDER = Path("/usr/share/fonts")
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_MARK = "written by the installation of Saldo"


class MissingPrerequisite(Exception):  # noqa: N818 - not an error of the program
    """A prerequisite is missing and cannot be installed; the text says what to do."""


def main(arguments: list[str]) -> int:
    """Install what is missing; return the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this script runs before anything is checked
        return restart_with_newer_python(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments[:1] == ["--system-package"]:
            install_system_package(arguments[1])
            return 0
        ensure_venv()
        if "--venv-only" not in arguments:
            ensure_rabbitmq()
        if "--with-browser" in arguments:
            ensure_browser()
    except MissingPrerequisite as missing:
        print(missing, file=sys.stderr)
        return 2
    return 0


def restart_with_newer_python(arguments: list[str]) -> int:
    """Restart this script with a newer Python from the PATH, if there is one."""
    for minor in range(20, 10, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, __file__, *arguments])  # noqa: S606
    print("Python 3.11 or newer is needed: apt-get install python3", file=sys.stderr)
    return 2


# --- the virtual environment -------------------------------------------------------------------


def ensure_venv() -> None:
    """Bring `.venv` in line with the lock file, and install the project in it."""
    if not LOCK.exists():
        raise MissingPrerequisite(f"{LOCK} is missing: the checkout is not complete")
    if STAMP.exists() and STAMP.read_text(encoding="ascii") == fingerprint():
        return
    if VENV.is_symlink():
        # Recreating it would empty the folder that it points to, which others may be using.
        raise MissingPrerequisite(
            f"{VENV} is a link to {os.path.realpath(VENV)}, which was not made for this checkout "
            "and is left as it is: remove the link (rm .venv) and try again"
        )
    make_venv()
    total = sum(1 for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line)
    print(f"Installing up to {total} packages from requirements.lock into .venv")
    pip(["install", "--require-hashes", "-r", str(LOCK)], total)
    pip(["install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)], 1)
    STAMP.write_text(fingerprint(), encoding="ascii")


def fingerprint() -> str:
    """Return a digest of what `.venv` depends on: lock, project file, location, Python."""
    digest = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    python = os.path.realpath(VENV / "bin" / "python")
    digest.update(f"{VENV}|{python}".encode())
    return digest.hexdigest()


def make_venv() -> None:
    """Create the environment, or recreate it if it is broken or was copied from elsewhere."""
    python = VENV / "bin" / "python"
    if python.exists() and works(python) and not is_moved():
        return
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        install_with_root(f"python{version}-venv", "Python's venv module")
    print(f"Making .venv with Python {sys.version.split()[0]}")
    result = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False)
    if result.returncode != 0:
        raise MissingPrerequisite(f"{sys.executable} -m venv failed: see above")


def works(python: Path) -> bool:
    """Return whether an interpreter starts and has pip."""
    command = [str(python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def is_moved() -> bool:
    """Return whether the scripts of `.venv` point to another folder."""
    configuration = (VENV / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    commands = [line for line in configuration if line.startswith("command = ")]
    return bool(commands) and not commands[0].endswith(f" {VENV}")


def pip(arguments: list[str], total: int) -> None:
    """Run pip with a counter of packages."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", *arguments, "--progress-bar=off"]
    command.append("--disable-pip-version-check")
    counted = ("Collecting ", "Requirement already satisfied: ")
    if not run_counting(command, counted, f"of {total}"):
        raise MissingPrerequisite(
            "pip could not install the packages: see above; is the package index reachable?"
        )


def run_counting(command: list[str], counted: tuple[str, ...], of: str = "") -> bool:
    """Run a command and count its lines with one of these prefixes; return whether it succeeded.

    The count is shown on a terminal, and the end of the output when the command fails.
    """
    shown = sys.stdout.isatty()
    lines: list[str] = []
    done = 0
    with subprocess.Popen(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            beginning = next((text for text in counted if line.startswith(text)), None)
            if beginning is not None and shown:
                done += 1
                what = line.removeprefix(beginning).split("==")[0].strip()
                print(f"\r  {done} {of}  {what[:50]:50}", end="", flush=True)
    if shown:
        print()
    if process.returncode != 0:
        sys.stderr.writelines(lines[-40:])
    return process.returncode == 0


# --- RabbitMQ ----------------------------------------------------------------------------------


def ensure_rabbitmq() -> None:
    """Make sure that there is a RabbitMQ: by URL, as a package, or as a Docker image."""
    if is_overridden("SALDO_AMQP_URL") or has_package():
        return
    can_install = shutil.which("apt-get") and (os.geteuid() == 0 or has_sudo())
    if can_install:
        install_with_root(RABBITMQ, "RabbitMQ")
    elif not docker_has_image():
        raise MissingPrerequisite(
            "RabbitMQ is missing: run make up as root (it installs the package rabbitmq-server), "
            "or install that yourself, or pull an image (docker pull rabbitmq:4), or give the URL "
            "of a RabbitMQ in SALDO_AMQP_URL, and of its management API in SALDO_AMQP_ADMIN_URL."
        )


def is_overridden(name: str) -> bool:
    """Return whether a setting is overridden, now or since an earlier `up`."""
    if os.environ.get(name) and "SALDO_STATE_DIR" not in os.environ:
        return True
    stored = ROOT / ".saldo" / "overrides.json"
    return stored.exists() and name in json.loads(stored.read_text(encoding="utf-8"))


def has_package() -> bool:
    """Return whether the package is installed."""
    return any(RABBITMQ_LIBRARY.glob("rabbitmq_server-*/sbin/rabbitmq-server"))


def has_sudo() -> bool:
    """Return whether sudo works: without a password, or with a terminal to type it."""
    if shutil.which("sudo") is None:
        return False
    free = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return free.returncode == 0 or sys.stdin.isatty()


def docker_has_image() -> bool:
    """Return whether a Docker engine responds and has an image of RabbitMQ."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "image", "ls", "--quiet", "rabbitmq"]
    try:
        result = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0 and bool(result.stdout.strip())


# --- the browser of the tests ------------------------------------------------------------------


def ensure_browser() -> None:
    """Make sure that there is a Chromium, and a font with Cyrillic for its screenshots."""
    if find_browser() is None:
        install_with_root(BROWSER, "Chromium, for the tests in a browser,")
    if not any(FONTS_FOLDER.rglob("*.[to]tf")):
        install_with_root(FONTS, "A font with Cyrillic, for the tests in a browser,")


def find_browser() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSER_PROGRAMS)), None)


# --- packages of the system --------------------------------------------------------------------


def install_with_root(package: str, what: str) -> None:
    """Install a package of the system, as root or by sudo."""
    if shutil.which("apt-get") is None:
        raise MissingPrerequisite(f"{what} is missing, and so is apt-get: install it")
    if os.geteuid() == 0:
        install_system_package(package)
        return
    if not has_sudo():
        raise MissingPrerequisite(f"{what} is missing: as root, apt-get install {package}")
    command = ["sudo", sys.executable, __file__, "--system-package", package]
    if subprocess.run(command, check=False).returncode != 0:
        raise MissingPrerequisite(f"{what} could not be installed: see above")


def install_system_package(package: str) -> None:
    """Install a package without letting it start a service of its own."""
    print(f"Installing the package {package}")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    simulated = [*command, "--simulate"]
    if subprocess.run(simulated, capture_output=True, check=False).returncode != 0:
        print("Updating the lists of packages")
        run_counting(["apt-get", "update"], ("Get:", "Hit:"))
    with service_not_started(package):
        if not run_counting(command, ("Get:", "Unpacking ", "Setting up ")):
            raise MissingPrerequisite(
                f"apt-get could not install {package}: see above; is the mirror reachable?"
            )
    service = SYSTEM_SERVICES.get(package)
    if service is not None and shutil.which("update-rc.d"):
        # We run a private node; the system's own must not start at the next boot either.
        subprocess.run(["update-rc.d", service, "disable"], capture_output=True, check=False)


@contextlib.contextmanager
def service_not_started(package: str) -> Iterator[None]:
    """Have invoke-rc.d refuse the package's service for the duration of the block."""
    saved = POLICY.with_name("policy-rc.d.before-saldo")
    if POLICY.exists() and POLICY_MARK not in POLICY.read_text(encoding="utf-8", errors="replace"):
        POLICY.rename(saved)
    POLICY.write_text(
        f"#!/bin/sh\n# {POLICY_MARK}; removed afterwards\n"
        f'[ "$1" = {SYSTEM_SERVICES.get(package, package)} ] && exit 101\n'
        f'[ -x {saved} ] && exec {saved} "$@"\nexit 0\n',
        encoding="ascii",
    )
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
        if saved.exists():
            saved.rename(POLICY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
