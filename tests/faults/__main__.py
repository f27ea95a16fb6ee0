"""Run an installation under load and faults, and check afterwards that every promise was kept.

Exit code 0: no violation; 1: violations; 2: the run itself failed, and proves nothing.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import tests.faults.injectors  # noqa: F401 - registers the faults
from tests.faults import recovery, schedule
from tests.faults.bugs.catalogue import BUGS
from tests.faults.bugs.hunt import hunt
from tests.faults.checker.check import CHECKS, check
from tests.faults.checker.findings import Finding
from tests.faults.faults import FAULTS
from tests.faults.house import open_house
from tests.faults.load.staff import settings_in
from tests.faults.run import Verdict, run

app = typer.Typer(help=__doc__, no_args_is_help=False, add_completion=False)
out = Console(highlight=False, soft_wrap=True)

CLEAN, VIOLATED, WRONG = 0, 1, 2
FOLDER = "Folder for schedule, beliefs and logs; a new temporary one by default."
MOST_SHOWN = 8


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the trouble.")] = 10,
    seed: Annotated[
        int | None, typer.Option(help="Seed of schedule and load; drawn by default.")
    ] = None,
    only: Annotated[str, typer.Option(help="Kinds of faults, as in kill,pause; else all.")] = "",
    replay: Annotated[Path | None, typer.Option(help="A schedule.jsonl to play again.")] = None,
    people: Annotated[int, typer.Option(min=1, max=20, help="Number of residents.")] = 4,
    folder: Annotated[Path | None, typer.Option(help=FOLDER)] = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    wanted = _chosen(only, FAULTS, "fault")
    steps = schedule.read(replay, FAULTS) if replay is not None else None
    chosen = seed if seed is not None else secrets.randbelow(10**6)
    kept = folder or Path(tempfile.mkdtemp(prefix="saldo-faults-"))
    kept.mkdir(parents=True, exist_ok=True)
    out.print(f"seed {chosen}; files in {kept}")
    with open_house(kept / "saldo") as house:
        kinds = {name: FAULTS[name] for name in wanted if FAULTS[name].is_possible(house)}
        if not kinds:
            out.print(f"none of these faults is possible here: {', '.join(wanted)}")
            sys.exit(WRONG)
        if steps is None:
            steps = schedule.draw(chosen, minutes * 60, kinds)
        schedule.write(kept / "schedule.jsonl", steps)
        seconds = max([minutes * 60, *(step.ends for step in steps)])
        with out.status("") as status:
            verdict = run(
                house,
                steps,
                kept,
                seconds=seconds,
                seed=chosen,
                people=people,
                tell=out.print,
                show=status.update,
            )
        _keep_logs(house.folder, kept)
    sys.exit(_print(verdict, chosen, kept))


@app.command("check")
def check_installation(
    env: Annotated[Path, typer.Option(help="File of its variables, such as .saldo/env.")],
    beliefs: Annotated[
        Path | None, typer.Option(help="beliefs.jsonl of a load: what its clients were told.")
    ] = None,
    only: Annotated[str, typer.Option(help="Invariants, as in I1,I6; else all of I1 to I8.")] = "",
) -> None:
    """Check a running installation, and what the clients of a load believe of it.

    It changes nothing, but I2 signs in to try passwords. Exit code 1: violations.
    """
    chosen = _chosen(only, CHECKS, "invariant")
    found = check(
        settings_in(env), beliefs, chosen, tell=lambda name: out.print(f"checking {name}")
    )
    _print_findings(found)
    sys.exit(VIOLATED if found else CLEAN)


@app.command("bugs")
def hunt_bugs(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of bugs; all by default.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help=FOLDER)] = None,
) -> None:
    """Switch planted bugs on, one after another; the checker must find each.

    Exit code 1: a bug was not found, or something was found without one.
    """
    chosen = _chosen(",".join(names or ()), BUGS, "bug")
    kept = folder or Path(tempfile.mkdtemp(prefix="saldo-bugs-"))
    kept.mkdir(parents=True, exist_ok=True)
    failures = hunt(kept, chosen, out.print)
    for failure in failures:
        out.print(f"FAILURE {failure}")
    sys.exit(VIOLATED if failures else CLEAN)


def _chosen(names: str, known: Collection[str], what: str) -> list[str]:
    """Return the names between commas, or all where none is given; exit on an unknown one."""
    chosen = names.split(",") if names else list(known)
    if unknown := [name for name in chosen if name not in known]:
        out.print(f"there is no {what} {', '.join(unknown)}; there are {', '.join(known)}")
        sys.exit(WRONG)
    return chosen


def _print(verdict: Verdict, seed: int, kept: Path) -> int:
    for what, count in sorted(verdict.counts.items()):
        out.print(f"  {count:6} {what}")
    settled = ", ".join(f"{seconds:.0f} s" for seconds in verdict.settled_after)
    out.print(f"settled after {settled}")
    for line in recovery.told(verdict.recoveries):
        out.print(line)
    for failure in verdict.failed:
        out.print(f"THE HARNESS FAILED: {failure}")
    _print_findings(verdict.found)
    out.print(f"to play it again: make faults REPLAY={kept / 'schedule.jsonl'} SEED={seed}")
    if verdict.found:
        return VIOLATED
    return WRONG if verdict.failed else CLEAN


def _print_findings(found: list[Finding]) -> None:
    shown: Counter[str] = Counter()
    for one in found:
        shown[one.rule] += 1
        if shown[one.rule] <= MOST_SHOWN:
            out.print(f"VIOLATION {one}")
    for rule, times in shown.items():
        if times > MOST_SHOWN:
            out.print(f"... and {times - MOST_SHOWN} more: {rule}")
    out.print(f"{len(found)} violations" if found else "no violation")


def _keep_logs(state: Path, kept: Path) -> None:
    """Keep the logs of the processes: the installation's folder is deleted."""
    shutil.copytree(state / "log", kept / "log", dirs_exist_ok=True)


if __name__ == "__main__":
    app()
