"""`python -m tests.faults`: a load, trouble by a seed, and a verdict; exit code 1: a violation."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import tests.faults.injectors  # noqa: F401 - registers the faults
from tests.faults import recovery, schedule
from tests.faults.bugs.catalogue import BUGS
from tests.faults.bugs.hunt import hunt
from tests.faults.checker.check import CHECKS, check
from tests.faults.checker.evidence import settings_in
from tests.faults.checker.findings import Finding
from tests.faults.faults import FAULTS
from tests.faults.house import open_house
from tests.faults.run import Verdict, run

app = typer.Typer(help=__doc__, no_args_is_help=False)
out = Console(highlight=False, soft_wrap=True)

CLEAN, VIOLATED, WRONG = 0, 1, 2
MOST_SHOWN = 8


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long there is trouble.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Of schedule and load; else drawn.")] = None,
    only: Annotated[str, typer.Option(help="Only these kinds of faults: kill,pause")] = "",
    replay: Annotated[Path | None, typer.Option(help="Play this file of steps again.")] = None,
    people: Annotated[int, typer.Option(min=1, max=20, help="How many residents there are.")] = 4,
    folder: Annotated[Path | None, typer.Option(help="Where files are kept.")] = None,
) -> None:
    """Run a house under load and trouble, and check everything afterwards."""
    if context.invoked_subcommand is not None:
        return
    chosen = seed if seed is not None else secrets.randbelow(10**6)
    kept = folder or Path(tempfile.mkdtemp(prefix="saldo-faults-"))
    kept.mkdir(parents=True, exist_ok=True)
    out.print(f"seed {chosen}; files in {kept}")
    with open_house(kept / "saldo") as house:
        kinds = {
            name: kind
            for name, kind in FAULTS.items()
            if kind.is_possible(house) and (not only or name in only.split(","))
        }
        if not kinds:
            out.print(f"no such fault is possible here; there are {', '.join(sorted(FAULTS))}")
            sys.exit(WRONG)
        if replay is not None:
            steps = schedule.read(replay, FAULTS)
        else:
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
    env: Annotated[Path, typer.Option(help="The installation's file of variables.")],
    beliefs: Annotated[Path | None, typer.Option(help="What its clients were told.")] = None,
    only: Annotated[str, typer.Option(help="Only these invariants: I1,I6")] = "",
) -> None:
    """Check any installation, and any load's beliefs about it. It changes nothing."""
    chosen = only.split(",") if only else list(CHECKS)
    found = check(
        settings_in(env), beliefs, chosen, tell=lambda name: out.print(f"checking {name}")
    )
    _print_findings(found)
    sys.exit(VIOLATED if found else CLEAN)


@app.command("bugs")
def hunt_bugs(
    names: Annotated[list[str] | None, typer.Argument(help="Which bugs; else all.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where files are kept.")] = None,
) -> None:
    """Switch planted bugs on, one after another; the checker must find each of them."""
    kept = folder or Path(tempfile.mkdtemp(prefix="saldo-bugs-"))
    kept.mkdir(parents=True, exist_ok=True)
    if unknown := set(names or ()) - BUGS.keys():
        out.print(f"there is no bug {', '.join(unknown)}; there are {', '.join(BUGS)}")
        sys.exit(WRONG)
    failures = hunt(kept, names or list(BUGS), out.print)
    for failure in failures:
        out.print(f"FAILURE {failure}")
    sys.exit(VIOLATED if failures else CLEAN)


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
