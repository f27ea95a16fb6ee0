"""``make mutation``: mutate the modules of money, one place at a time, and run their tests.

``python -m tests.mutation`` runs all modules and writes the table into README.md;
``python -m tests.mutation settlement law`` runs some; ``--survivors`` reruns the mutants that
survived last time and merges their results with the others': for added tests, not for changed
code. All output is under ``.saldo/mutation``: an environment with mutmut, a copy of the tree, and
``survivors.diff``.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.mutation.summary import Mutant, as_markdown, mutants_in, rows
from tests.mutation.unwrapping import unwrap

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORK = ROOT / ".saldo" / "mutation"
VENV = WORK / "venv"
TREE = WORK / "tree"
RESULTS = WORK / "results.json"
LOCKS = (ROOT / "requirements.lock", HERE / "requirements.lock")
COPIED_FOLDERS = ("services", "shared", "tests")

_SHOW = """
import sys
from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant
for name in sys.argv[1:]:
    print("#", name)
    print(get_diff_for_mutant(name, path=find_mutant(name).path))
"""
_MARKED = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Run mutmut; exit code 1 when it fails, 2 for an unknown module."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", help="names of modules; none: all")
    parser.add_argument("--survivors", action="store_true", help="rerun only last time's survivors")
    parser.add_argument("--children", type=int, default=2, help="parallel processes")
    given = parser.parse_args(arguments)
    paths = _paths()
    chosen = [path for path in paths if not given.modules or Path(path).stem in given.modules]
    if len(chosen) < len(given.modules):
        sys.stderr.write(f"no such module; there are: {', '.join(Path(p).stem for p in paths)}\n")
        return 2
    names = [f"{_dotted(path)}.*" for path in chosen]
    known = _stored() if given.survivors else []
    if given.survivors:
        names = [m.name for m in known if m.result != "killed" and m.path in chosen]
    if not names:
        sys.stderr.write("There are no survivors of an earlier run.\n")
        return 0
    commit, everything = _commit(), not given.modules and not given.survivors
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("Another run is active in this checkout.\n")
            return 1
        if not _run_mutmut(paths, [] if everything else names, given.children):
            return 1
    ran = [mutant for mutant in mutants_in(TREE / "mutants") if _is_chosen(mutant, names)]
    mutants = [*{mutant.name: mutant for mutant in (*known, *ran)}.values()]
    table = as_markdown(rows(mutants, paths))
    _store(mutants)
    sys.stdout.write(f"\n{table}\n\nSurvivors are in {WORK.relative_to(ROOT)}/survivors.diff\n")
    if {mutant.path for mutant in mutants} == set(paths):
        _write_readme(table, commit)
    return 0


def _run_mutmut(paths: list[str], names: list[str], children: int) -> bool:
    _make_venv()
    _copy(paths)
    command = [str(VENV / "bin" / "mutmut"), "run", "--max-children", str(children), *names]
    return subprocess.run(command, cwd=TREE, check=False).returncode == 0


def _paths() -> list[str]:
    configuration = ConfigParser()
    configuration.read(HERE / "setup.cfg")
    return configuration["mutmut"]["only_mutate"].split()


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _is_chosen(mutant: Mutant, names: list[str]) -> bool:
    return mutant.name in names or f"{_dotted(mutant.path)}.*" in names


def _make_venv() -> None:
    """Create the environment from the product's lock and mutmut's, again when either changes."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()
    stamp = VENV / "installed-from"
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    sys.stdout.write("Making an environment for mutation testing\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    locks = [part for lock in LOCKS for part in ("-r", str(lock))]
    subprocess.run([*pip, "--quiet", "--require-hashes", *locks], check=True)
    stamp.write_text(digest, encoding="ascii")


def _copy(mutated: list[str]) -> None:
    """Make a fresh copy of the code and its tests to mutate."""
    shutil.rmtree(TREE, ignore_errors=True)
    for folder in COPIED_FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, TREE / folder, ignore=ignored)
    for file in (ROOT / "pyproject.toml", HERE / "setup.cfg"):
        shutil.copy2(file, TREE / file.name)
    for path in mutated:
        unwrap(TREE / path)


def _stored() -> list[Mutant]:
    if not RESULTS.exists():
        return []
    return [Mutant(**entry) for entry in json.loads(RESULTS.read_text(encoding="utf-8"))]


def _store(mutants: list[Mutant]) -> None:
    """Store all results, and write the survivors as diffs."""
    RESULTS.write_text(json.dumps([asdict(mutant) for mutant in mutants]), encoding="utf-8")
    names = [mutant.name for mutant in mutants if mutant.result not in ("killed", "timeout")]
    command = [str(VENV / "bin" / "python"), "-c", _SHOW, *names]
    with (WORK / "survivors.diff").open("w", encoding="utf-8") as file:
        subprocess.run(command, cwd=TREE, stdout=file, check=True)


def _commit() -> str:
    git = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    asked = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def _write_readme(table: str, commit: str) -> None:
    """Write the table into README.md, with its date and commit."""
    readme, day = HERE / "README.md", datetime.now(UTC).date().isoformat()
    section = f"Run on {day}, commit `{commit}`, by `make mutation`.\n\n{table}\n"
    text = _MARKED.sub(lambda _: section, readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
