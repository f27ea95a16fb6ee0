"""Processes that die, and processes that stand still."""

from __future__ import annotations

import signal
from random import Random

from tests.faults.faults import House, fault

_OURS = ("serve", "work", "gateway", "seal")
_NODES = ("postgres", "rabbitmq")
_OUTSIDE = ("acquirer", "yookassa", "mailcatcher")


@fault
class Kill:
    """A process is killed with -9, and starts again by itself."""

    name = "kill"
    lasts = (0.5, 3.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return True

    def inject(self, house: House, random: Random) -> str:
        victim = random.choice((*_OURS * 3, *_NODES * 2, *_OUTSIDE))
        house.restart(victim)
        return f"kill -9 {victim}"

    def heal(self, house: House) -> None:
        """It restarts by itself."""


@fault
class Pause:
    """A process stands still for a while (SIGSTOP), with all the locks that it holds."""

    name = "pause"
    lasts = (2.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return True

    def inject(self, house: House, random: Random) -> str:
        victim = random.choice((*_OURS * 2, *_OUTSIDE))
        house.send(victim, signal.SIGSTOP)
        house.notes[self.name] = victim
        return f"pause {victim}"

    def heal(self, house: House) -> None:
        victim = house.notes.pop(self.name, None)
        if victim is not None:
            house.send(str(victim), signal.SIGCONT)
