"""The report of a journey: each step, its outcome, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from deploy.demo.acquirer_page import PageError
from deploy.demo.client import OutageError, Problem
from deploy.demo.letters import LetterError

WIDTH = 40
"""Columns for the title of a step."""


class CheckError(Exception):
    """A response is wrong; the text says what was expected."""


class JourneyError(Exception):
    """A step failed; the report has printed why."""


def check(condition: bool, expected: str) -> None:
    """Raise CheckError with the expectation unless the condition holds."""
    if not condition:
        raise CheckError(expected)


@dataclass
class Step:
    """One step; its outcome is set while it runs."""

    title: str
    outcome: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """Collects the steps, and prints them as they end if there is a console."""

    console: Console | None = None
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run one step. A failure is printed, and raised as JourneyError."""
        step, started = Step(title), time.monotonic()
        self.steps.append(step)
        try:
            with self._busy(title):
                yield step
        except (CheckError, LetterError, OutageError, PageError, Problem) as reason:
            self._print(f"[red]✗ {escape(title)}: {escape(str(reason))}[/]")
            raise JourneyError(f"{title}: {reason}") from reason
        step.seconds = time.monotonic() - started
        took = f"[dim]{step.seconds:5.2f} s[/]"
        self._print(f"[green]✓[/] {took}  {escape(title):<{WIDTH}}  {escape(step.outcome)}")

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    @contextmanager
    def _busy(self, title: str) -> Iterator[None]:
        if self.console is None or not self.console.is_terminal:
            yield
            return
        with self.console.status(escape(title)):
            yield

    def _print(self, line: str) -> None:
        if self.console is not None:
            self.console.print(line, soft_wrap=True, highlight=False)
