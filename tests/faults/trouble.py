"""The trouble: makes the steps of a schedule, and ends each in its time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import asdict

from tests.faults.faults import FAULTS
from tests.faults.house import RunningHouse
from tests.faults.load.beliefs import Notebook
from tests.faults.schedule import AFTER_ALONE_S, MOST_AT_ONCE, Step

TICK_S = 0.1
AGAIN_S = 2.0
TRIED_S = 60.0
"""For so long after its first failure a fault is tried that another one keeps from being made, or
healed; a try may take longer than that."""

Tell = Callable[[str], None]


class Active(msgspec.Struct):
    """A fault that is in effect until `ends`, in seconds after the start of the trouble."""

    step: Step
    ends: float


@dataclass
class Trouble:
    """Makes the steps of a schedule, and ends each in its time.

    One that comes alone waits for what has taken longer than it was to. What another fault has kept
    from being made, or healed, is tried again.
    """

    house: RunningHouse
    log: Path
    tell: Tell
    notebook: Notebook
    recover: Callable[[], None]
    """What an operator does after a fault; it may be nothing."""
    began: float = field(default_factory=time.monotonic)
    active: dict[str, Active] = field(default_factory=dict)
    kills: list[tuple[float, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    _ended: float = -AFTER_ALONE_S
    _alone_ended: float = -AFTER_ALONE_S
    _again_at: float = 0.0
    _failed_since: dict[Step, float] = field(default_factory=dict)
    """When a step was first kept from being made, or healed, in seconds of trouble."""

    def play(self, steps: Sequence[Step]) -> None:
        """Make some steps, in their order, and end each."""
        try:
            self._play(list(steps))
        finally:
            for name in list(self.active):  # only where the run is broken off
                FAULTS[name].heal(self.house)

    def _play(self, waiting: list[Step]) -> None:
        while waiting or self.active:
            for name, active in list(self.active.items()):
                if active.ends <= self.now:
                    self._heal(name)
            if waiting and waiting[0].at <= self.now and self._is_free_for(waiting[0]):
                step = waiting.pop(0)
                if not self._inject(step):
                    waiting.insert(0, step)
            time.sleep(TICK_S)

    @property
    def now(self) -> float:
        """Return the seconds of trouble."""
        return time.monotonic() - self.began

    def _is_free_for(self, step: Step) -> bool:
        if step.fault in self.active or len(self.active) >= MOST_AT_ONCE:
            return False
        if self.now < max(self._alone_ended + AFTER_ALONE_S, self._again_at):
            return False
        if FAULTS[step.fault].alone:
            return not self.active and self.now >= self._ended + AFTER_ALONE_S
        return not any(FAULTS[name].alone for name in self.active)

    def _inject(self, step: Step) -> bool:
        """Make a fault; return False where it is to be tried again."""
        alone = not self.active
        active = self.active[step.fault] = Active(step, math.inf)
        at, since = time.monotonic(), time.time()
        try:
            did = FAULTS[step.fault].inject(self.house, Random(step.seed))  # noqa: S311
        except Exception as error:  # noqa: BLE001 - told in the verdict, if it does not end
            # What was done by half may have broken connections, or lost answers.
            self._write(f"{step.fault} by half", step, since=since)
            self._heal(step.fault)
            return not self._is_tried_again(step, f"{step.fault} failed", error)
        if alone and did.startswith("kill -9 "):
            self.kills.append((at, did.removeprefix("kill -9 ")))
        self._failed_since.pop(step, None)
        active.ends = self.now + step.lasts
        self.made[step.fault] += 1
        self._write(did, step, since=since)
        return True

    def _heal(self, name: str) -> None:
        active = self.active[name]
        try:
            did = FAULTS[name].heal(self.house)
        except Exception as error:  # noqa: BLE001 - told in the verdict, if it does not end
            if self._is_tried_again(active.step, f"healing {name} failed", error):
                active.ends = self.now + AGAIN_S
                return
            did = ""
        del self.active[name]
        # One line: each that ends so ends one fault that was noted.
        self._write(f"{did}, {name} healed" if did else f"{name} healed", active.step)
        self.recover()
        self._ended = self.now
        if FAULTS[name].alone:
            self._alone_ended = self.now

    def _is_tried_again(self, step: Step, what: str, error: Exception) -> bool:
        """Count a failure; it is one of the harness where nothing has helped in time."""
        since = self._failed_since.setdefault(step, self.now)
        said = f"{what}: {type(error).__name__}: {error}"
        self.tell(f"{self.now:7.1f} s  {said}")
        if self.now - since < TRIED_S:
            self._again_at = self.now + AGAIN_S
            return True
        self.failed.append(said)
        return False

    def _write(self, did: str, step: Step, *, since: float | None = None) -> None:
        """Write down what was done, `since` when (Unix time), or that it has ended."""
        self.tell(f"{self.now:7.1f} s  {did}")
        self.notebook.note("schedule", "fault", at=since, did=did)
        if since is not None:
            with self.log.open("ab") as log:
                log.write(msgspec.json.encode({**asdict(step), "did": did}) + b"\n")
