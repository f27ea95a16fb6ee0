"""``python -m tests.bench scale``: a city of some size, and what the whole of its ledger costs.

    python -m tests.bench scale --events 100000,1000000 --keep /var/tmp/scale
    python -m tests.bench scale --events 1000000 --keep /var/tmp/scale --only audit,rebuild --again
    python -m tests.bench scale --events 10000000 --accounts 1000000 --keep /var/tmp/scale --page

It builds each size on a PostgreSQL of its own, by what staff and payers call, and measures step
after step. With ``--keep`` the folder stays: a step that is done is not done again, so a run that
was stopped goes on. ``--page`` adds the figures to `scale.json` and writes docs/scale.md from it.
Ten million events of a million accounts take about an hour and 50 GB of disk, the backup and its
restored copy included.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from shared.config import ConfigurationError
from tests.bench.scale_city import EVENTS_OF_AN_ACCOUNT
from tests.bench.scale_measure import Figure, machine
from tests.bench.scale_page import add_figures, table, write_page
from tests.bench.scale_server import ScaleServer
from tests.bench.scale_steps import BUILDS, STEPS, Site, relations

EVENTS = 10_000_000


class Progress(msgspec.Struct):
    """How far a city has come; ``today`` is the day on which its build began."""

    accounts: int
    today: date
    figures: dict[str, Figure] = {}


class Request(msgspec.Struct, kw_only=True):
    """What is to be measured."""

    events: list[int]
    accounts: int | None = None
    keep: Path | None = None
    only: list[str] = []
    again: bool = False
    cold: bool = False
    sizes: dict[str, str] = {}
    memory: str = ""
    json: Path | None = None
    page: bool = False


def read_request(words: Sequence[str]) -> Request:
    """Read the command line; raises ConfigurationError for what cannot be meant."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench scale")
    parser.add_argument("--events", default=str(EVENTS), help="one size, or several with commas")
    parser.add_argument("--accounts", type=int, help="of one size; a tenth of the events")
    parser.add_argument("--keep", type=Path, help="a folder that stays, and is gone on with")
    parser.add_argument("--only", default="", help=f"steps: {', '.join(STEPS)}")
    parser.add_argument("--again", action="store_true", help="measure what is measured already")
    parser.add_argument("--cold", action="store_true",
                        help="forget what is cached before each step")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of PostgreSQL, such as shared_buffers=16MB")  # fmt: skip
    parser.add_argument("--memory", default="", metavar="SIZE",
                        help="as --cold, and PostgreSQL with the cache of its files has so "
                        "much memory, such as 2G (takes a cgroup, so root)")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--page", action="store_true", help="put them on the page docs/scale.md")
    given = parser.parse_args(words)
    request = Request(
        events=[int(size) for size in given.events.replace("_", "").split(",")],
        accounts=given.accounts,
        keep=given.keep,
        only=[name for name in given.only.split(",") if name],
        again=given.again,
        cold=given.cold,
        sizes=dict(one.partition("=")[::2] for one in given.set),
        memory=given.memory,
        json=given.json,
        page=given.page,
    )
    if unknown := [name for name in request.only if name not in STEPS]:
        raise ConfigurationError(f"no such step: {unknown[0]}; there are: {', '.join(STEPS)}")
    if request.accounts and len(request.events) > 1:
        raise ConfigurationError("--accounts is of one size; name one by --events")
    if any(size < EVENTS_OF_AN_ACCOUNT for size in request.events):
        raise ConfigurationError(f"a city has at least {EVENTS_OF_AN_ACCOUNT} events")
    return request


def main(words: Sequence[str]) -> int:
    """Measure; return the exit code: 0 all is measured, 2 it cannot be meant."""
    try:
        request = read_request(words)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    figures: list[Figure] = []
    with _kept(request.keep) as folder:
        for size in request.events:
            figures += _measure(request, folder / str(size), size)
    sys.stdout.write(table(figures))
    if request.json:
        request.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    if request.page:
        add_figures(figures)
        write_page()
    return 0


def _measure(request: Request, folder: Path, size: int) -> list[Figure]:
    """Build what is missing of a city and measure the steps; return all that is known of it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    noted = folder / "scale.json"
    accounts = request.accounts or size // EVENTS_OF_AN_ACCOUNT
    progress = Progress(accounts, datetime.now(UTC).date())
    if noted.exists():
        progress = msgspec.json.decode(noted.read_bytes(), type=Progress)
    server = ScaleServer(folder, request.sizes)
    try:
        server.create()
        site = Site(server, progress.accounts, progress.today)
        for name, step in STEPS.items():
            if not _is_wanted(name, request, progress):
                continue
            if (request.cold or request.memory) and name not in BUILDS:
                server.evict(request.memory)
            _tell(f"{size:,} events: {name}")
            began = time.monotonic()
            figures = [step(site), *(relations(site) if name == "vacuum" else ())]
            figures[0].step = _noted_as(name, request)
            for figure in figures:
                figure.load = round(os.getloadavg()[0], 1)
                figure.day, figure.machine = datetime.now(UTC).date().isoformat(), machine()
                progress.figures[figure.step] = figure
            # A step that is done is kept, whatever happens to the next.
            draft = noted.with_suffix(".draft")
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(progress)))
            draft.replace(noted)
            _tell(f"{size:,} events: {name} took {time.monotonic() - began:,.1f} s")
    finally:
        server.stop()
    return list(progress.figures.values())


def _is_wanted(name: str, request: Request, progress: Progress) -> bool:
    if name in BUILDS:
        return name not in progress.figures
    if request.only and name not in request.only:
        return False
    return request.again or _noted_as(name, request) not in progress.figures


def _noted_as(name: str, request: Request) -> str:
    """Return the name under which a step's figure is kept: one from the disk is another one."""
    if name in BUILDS:
        return name
    if request.memory:
        return f"{name} in {request.memory}"
    return f"{name} from the disk" if request.cold else name


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    """Yield the folder that stays, or one that is deleted at the end."""
    if folder is not None:
        yield folder.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="saldo-scale-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _tell(what: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")
    sys.stderr.flush()
