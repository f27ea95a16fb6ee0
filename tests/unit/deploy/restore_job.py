"""The Job of the restore drill on Kubernetes, and its script, run here with another `saldo`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.kustomization import Document, containers_of, named, rendered

REPOSITORY = Path(__file__).parents[3]
MANIFESTS = REPOSITORY / "deploy" / "kubernetes"
ORIGINS = {"drill": "overlays/production", "drill-books": "overlays/books"}
"""Each drill, and what it is the drill of."""
NOT_YET = 3
"""The exit code for databases that are not recovered yet."""


@cache
def drill(name: str) -> list[Document]:
    return rendered(MANIFESTS / name)


@cache
def origin_of(name: str) -> list[Document]:
    return rendered(MANIFESTS / ORIGINS[name])


def job(name: str) -> Document:
    [(found, one)] = named(drill(name), "Job").items()
    assert found == "restore-drill"
    return one


def script(name: str) -> str:
    [container] = containers_of(job(name))
    shell, option, text = container["args"]
    assert (shell, option) == ("sh", "-c")
    return str(text)


def commands(name: str) -> list[str]:
    """Return the lines of the script that call `saldo`."""
    return [line for line in script(name).splitlines() if line.startswith("saldo ")]


class Done(NamedTuple):
    code: int
    called: list[str]
    """What `saldo` was called with, one after another."""
    said: str


def run_script(folder: Path, environ: Mapping[str, str], codes: Mapping[str, int]) -> Done:
    """Run the script; ``codes`` are the exit codes of a `saldo` that only notes its arguments.

    They are by the second word of a command; others end with 0.
    """
    noted = folder / "called"
    noted.write_text("", encoding="utf-8")
    ends = "".join(f"  {verb}) exit {code};;\n" for verb, code in codes.items())
    saldo = folder / "saldo"
    saldo.write_text(f'#!/bin/sh\necho "$*" >> {noted}\ncase $2 in\n{ends}esac\n', encoding="utf-8")
    saldo.chmod(0o755)
    python = folder / "python"
    python.unlink(missing_ok=True)
    python.symlink_to(sys.executable)
    path = f"{folder}:{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]), **environ}
    done = subprocess.run(
        ["sh", "-c", script("drill")], env=own, cwd="/", capture_output=True, text=True, check=False
    )
    return Done(done.returncode, noted.read_text(encoding="utf-8").splitlines(), done.stderr)
