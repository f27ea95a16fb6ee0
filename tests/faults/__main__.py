"""Run an installation under load and faults, and check afterwards that every promise was kept.

Exit code 0: no violation; 1: violations; 2: the run itself failed, and proves nothing.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.console import Console

from shared import logs
from tests.faults import schedule
from tests.faults.books import MOST_BOOKS
from tests.faults.bugs.catalogue import BUGS
from tests.faults.bugs.hunt import hunt
from tests.faults.checker.check import CHECKS, OUTAGES, check, settle
from tests.faults.checker.findings import Finding
from tests.faults.cluster.failovers import FAILOVERS
from tests.faults.cluster.house import open_cluster_house
from tests.faults.cluster.machines import (
    ON_MACHINES,
    ONLY_ON_MACHINES,
    attached_machines,
    draw_with_losses,
    open_machines,
)
from tests.faults.faults import FAULTS, Fault
from tests.faults.house import RunningHouse, open_house
from tests.faults.injectors import install_packages
from tests.faults.injectors.moves import MoveBook
from tests.faults.load.staff import InstallationError, installation_in
from tests.faults.load.wellformed import NEEDED, BeliefsError, kinds_in
from tests.faults.run import SETTLED_S, Verdict, run
from tests.faults.schedule import Plan, Step

app = typer.Typer(help=__doc__, no_args_is_help=False, add_completion=False)
out = Console(highlight=False, soft_wrap=True)

CLEAN, VIOLATED, WRONG = 0, 1, 2
FOLDER = "Folder for schedule, beliefs and logs; a new temporary one by default."
MOST_SHOWN = 8
OUTCOMES = ("acknowledged", "refused", "unknown")


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the trouble.")] = 10,
    seed: Annotated[
        int | None, typer.Option(help="Seed of schedule and load; drawn by default.")
    ] = None,
    only: Annotated[str, typer.Option(help="Kinds of faults, as in kill,pause; else all.")] = "",
    replay: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A schedule.jsonl to play again."),
    ] = None,
    people: Annotated[int, typer.Option(min=1, max=20, help="Number of residents.")] = 4,
    folder: Annotated[Path | None, typer.Option(help=FOLDER)] = None,
    books: Annotated[
        int, typer.Option(min=1, max=MOST_BOOKS, help="Number of books of the ledger.")
    ] = 1,
    cluster: Annotated[bool, typer.Option(help="On nodes that fail over.")] = False,
    machines: Annotated[
        bool, typer.Option(help="On machines, two of each process: the suite starts them.")
    ] = False,
    on: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="On those of `make cluster`: its folder."),
    ] = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    wanted = _chosen(only, FAULTS, "fault")
    if machines or on:
        wanted = _made_on_machines(wanted, asked_for=bool(only))
    elif not only:
        left_out = ONLY_ON_MACHINES if cluster else ONLY_ON_MACHINES | FAILOVERS
        if books == 1:
            left_out |= {MoveBook.name}
        wanted = [name for name in wanted if name not in left_out]
    drawn = seed if seed is not None else secrets.randbelow(10**6)
    plan = Plan(seed=drawn, seconds=minutes * 60, people=people, cluster=cluster, books=books)
    steps: list[Step] | None = None
    if replay is not None:
        plan, steps = _played_again(replay, plan, seed)
        wanted = sorted({step.fault for step in steps})
    kept = folder or Path(tempfile.mkdtemp(prefix="saldo-faults-"))
    kept.mkdir(parents=True, exist_ok=True)
    out.print(f"seed {plan.seed}; files in {kept}")
    where = _machines(on, plan) if machines or on else _house(plan, kept)
    with (kept / "load.log").open("a") as log, where as house:
        logs.configure("load", stream=log)  # of the clients in this process
        kinds = _possible(house, wanted)
        if steps is None:
            steps = draw_with_losses(plan.seed, plan.seconds, kinds)
        steps = [step for step in steps if step.fault in kinds]
        schedule.write(kept / "schedule.jsonl", plan, steps)
        try:
            with out.status("") as status:
                verdict = run(house, plan, steps, kept, tell=out.print, show=status.update)
        finally:  # the more so where the run itself has failed
            house.keep_logs(kept)
    sys.exit(_print(verdict, kept, f" ON={on}" if on else " CLUSTER=machines" if machines else ""))


@app.command("check")
def check_installation(
    env: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="File of its variables: .saldo/env."),
    ],
    beliefs: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="What the clients of a load were told (tests/faults/README.md).",
        ),
    ] = None,
    only: Annotated[str, typer.Option(help="Invariants, as in I1,I6; else all of I1 to I8.")] = "",
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait at most until nothing is under way.")
    ] = SETTLED_S,
) -> None:
    """Check a running installation, and what the clients of a load believe of it.

    Stop the load first. It changes nothing, but I2 signs in to try passwords. Exit code 0: no
    violation; 1: violations; 2: it could not be checked.
    """
    chosen = _chosen(only, CHECKS, "invariant")
    try:
        environment = installation_in(env)
        if beliefs is None:
            out.print("no --beliefs: what clients were told, and subscribers got, is not judged")
        else:
            _say_what_is_not_judged(beliefs)
        after, left = settle(environment, beliefs, wait)
        out.print(f"settled after {after:.0f} s, {len(left)} unresolved")
        found = check(environment, beliefs, chosen, tell=lambda name: out.print(f"checking {name}"))
    except (BeliefsError, InstallationError) as error:
        out.print(str(error))
        sys.exit(WRONG)
    except OUTAGES as outage:
        out.print(f"the installation of {env} does not answer: {type(outage).__name__}: {outage}")
        sys.exit(WRONG)
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


def _say_what_is_not_judged(beliefs: Path) -> None:
    """Name the lines that no rule judges; raises BeliefsError where the file is none of beliefs."""
    found = kinds_in(beliefs)
    if strange := found - NEEDED.keys():
        out.print(f"no rule judges lines about {', '.join(sorted(strange))}")
    if "subscriber" not in found:
        out.print("no line about a subscriber: streams and the history over HTTP are not judged")


def _played_again(file: Path, plan: Plan, seed: int | None) -> tuple[Plan, list[Step]]:
    """Return the plan and the steps of a run that is played again; exit if it is none."""
    try:
        written, steps = schedule.read(file, FAULTS)
    except ValueError as error:
        out.print(str(error))
        sys.exit(WRONG)
    if not steps:
        out.print(f"{file} has no step")
        sys.exit(WRONG)
    last = max(step.ends for step in steps)
    plan = written or replace(plan, seconds=max(plan.seconds, last))
    return (replace(plan, seed=seed) if seed is not None else plan), steps


def _house(plan: Plan, kept: Path) -> AbstractContextManager[RunningHouse]:
    if plan.cluster:
        return open_cluster_house(plan.books)
    return open_house(kept / "saldo", books=plan.books)


def _machines(on: Path | None, plan: Plan) -> AbstractContextManager[RunningHouse]:
    """Return the machines; those that run already have the books that they have."""
    return open_machines(books=plan.books) if on is None else attached_machines(on)


def _made_on_machines(wanted: Collection[str], *, asked_for: bool) -> list[str]:
    """Return the faults that are made on machines; exit if none of those asked for is."""
    made = [name for name in wanted if name in ON_MACHINES]
    if asked_for and (others := set(wanted) - ON_MACHINES):
        out.print(f"not made on machines: {', '.join(sorted(others))}")
    if not made:
        sys.exit(WRONG)
    return made


def _possible(house: RunningHouse, wanted: Collection[str]) -> dict[str, Fault]:
    """Return the faults that can be made here, and say which are left out; exit if all are."""
    reasons = install_packages(wanted)
    kinds = {name: FAULTS[name] for name in wanted if FAULTS[name].is_possible(house)}
    for name in sorted(set(wanted) - kinds.keys()):
        out.print(f"{name} is not possible here{_because(reasons.get(name))}")
    if not kinds:
        sys.exit(WRONG)
    return kinds


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _chosen(names: str, known: Collection[str], what: str) -> list[str]:
    """Return the names between commas, or all where none is given; exit on an unknown one."""
    chosen = names.split(",") if names else list(known)
    if unknown := [name for name in chosen if name not in known]:
        out.print(f"there is no {what} {', '.join(unknown)}; there are {', '.join(known)}")
        sys.exit(WRONG)
    return chosen


def _print(verdict: Verdict, kept: Path, where: str) -> int:
    made = ", ".join(f"{times} {name}" for name, times in sorted(verdict.made.items()))
    out.print(f"{verdict.made.total()} faults: {made}")
    out.print("commands: acknowledged, refused, unknown")
    for what in sorted(NEEDED):
        counts = [verdict.counts[f"{what} {outcome}"] for outcome in OUTCOMES]
        if any(counts):
            out.print(f"  {what:22}" + "".join(f"{count:8}" for count in counts))
    judged = ", ".join(f"{count} {what}" for what, count in verdict.judged.items())
    out.print(f"judged: {judged}")
    settled = ", ".join(f"{seconds:.0f} s" for seconds in verdict.settled_after)
    out.print(f"settled after {settled}")
    for failure in verdict.failed:
        out.print(f"THE HARNESS FAILED: {failure}")
    _print_findings(verdict.found)
    out.print(f"to play it again: make faults REPLAY={kept / 'schedule.jsonl'}{where}")
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


if __name__ == "__main__":
    app()
