"""Instants that others have noted down are compared by a clock that they have in common."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("shared", "services", "gateway")
READ = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time")}
"""Ways to ask the machine for the time; the others are ``wall_time`` and ``SystemClock``."""
NAMES = {"SystemClock", "wall_time"}

ITSELF = "it is what the other clocks are made of"
GUARD = "it watches how far the machine's clock is off"
NAME = "a moment or a day for the eyes of people, beside a file of this machine"
REASONS = {
    "gateway/connections.py: time.time": "the header Date is when this machine has responded",
    "services/helpdesk/jobs.py: time.time": "the files are this machine's, and days old or not",
    "services/helpdesk/verbs/report.py: datetime.now": "the default of a day, which is shown",
    "services/keys_verbs.py: datetime.now": NAME,
    "services/payments/acquirers/yookassa/__init__.py: datetime.now": "days wider than is needed",
    "shared/bus/progress.py: wall_time": GUARD,
    "shared/clock.py: datetime.now": ITSELF,
    "shared/clock.py: wall_time": ITSELF,
    "shared/distant_clock.py: SystemClock": ITSELF,
    "shared/eventstore/postgres.py: wall_time": GUARD,
    "shared/key_files.py: datetime.now": NAME,
}
"""Why a module may ask its machine for the time."""


def readings(path: Path) -> Iterator[str]:
    """Yield the ways in which a module asks its machine for the time."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id=of), attr=attr) if (of, attr) in READ:
                yield f"{of}.{attr}"
            case ast.Name(id=name) if name in NAMES:
                yield name


def found() -> set[str]:
    return {
        f"{path.relative_to(REPOSITORY)}: {reading}"
        for folder in FOLDERS
        for path in (REPOSITORY / folder).rglob("*.py")
        for reading in readings(path)
    }


def test_whoever_asks_the_machine_for_the_time_has_a_reason() -> None:
    assert found() == set(REASONS)
