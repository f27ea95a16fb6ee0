"""What a fault is, and the house that it is made in: the interface of injectors and schedule.

An injector is a class in `tests/faults/injectors/`, registered with `@fault` under its name. A
schedule draws which faults come when; a step has a seed of its own, so that the same step makes the
same trouble when it is played again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

from deploy.embedded import process
from deploy.embedded.installation import Installation

if TYPE_CHECKING:  # the injectors, whose package this is, import the registry
    from tests.faults.injectors.network import Link


class House(Protocol):
    """A running installation, with what an injector needs."""

    @property
    def installation(self) -> Installation: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of `.saldo/env`; the URLs of the services in it lead over the proxies."""

    @property
    def folder(self) -> Path:
        """The state folder: `postgres/`, `rabbitmq/`, `log/`, ..."""

    @property
    def proxies(self) -> Mapping[str, Link]:
        """The links to nodes and outside parties: `database`, `broker`, `mail`, `acquirer`, ..."""

    @property
    def notes(self) -> dict[str, object]:
        """What a fault keeps between `inject` and `heal`, under its name; empty at the start."""

    def identities(self) -> dict[str, process.Identity]:
        """Return the living processes by name: serve, work, gateway, seal, postgres, ..."""

    def send(self, name: str, signal: int) -> bool:
        """Signal a process by name; False where it does not run now."""

    def restart(self, name: str) -> None:
        """Kill a process with -9; it starts again by itself."""

    def kept_down(self, *names: str) -> AbstractContextManager[None]:
        """Stop processes, in this order, and let none of them start again within the context."""

    def rabbitmqctl(self, *words: str) -> str:
        """Run rabbitmqctl on the house's node and return its output; raises CalledProcessError."""

    def is_ready(self) -> bool:
        """Return whether every process runs and every /readyz says yes."""

    def reconfigure(self, settings: Mapping[str, str], seconds: float) -> None:
        """Change settings, and restart the processes whose own change, until all are ready."""

    def lost_since(self, instant: float) -> None:
        """Record that what was committed after an instant (Unix time) is lost by this fault.

        The checker then does not demand it back, but demands that it is gone everywhere or brought
        back everywhere.
        """


class Fault(Protocol):
    """One kind of trouble.

    An instance has no state of its own: what it must know to heal is in `house.notes`.
    """

    name: str
    lasts: tuple[float, float]
    """Seconds from injecting to healing, at least and at most; the schedule draws between them."""
    alone: bool
    """Whether no other fault may be in effect: a restore, a failover."""

    def is_possible(self, house: House) -> bool:
        """Return whether this house has what the fault needs (a proxy, root, a second node)."""

    def inject(self, house: House, random: Random) -> str:
        """Make the trouble, and return what was done in a few words ("kill -9 serve")."""

    def heal(self, house: House) -> str | None:
        """End the trouble, and return what else was done for it, if anything, in a few words.

        Called once for each `inject`, also when that has raised, and again where it raises itself.
        """


FAULTS: dict[str, Fault] = {}
"""The registry, filled by `tests.faults.injectors`."""

F = TypeVar("F", bound=type)


def fault(kind: F) -> F:
    """Register a class of faults under its `name`; raises ValueError for a second of one name."""
    made: Fault = kind()
    if made.name in FAULTS:
        raise ValueError(f"there are two faults named {made.name}")
    FAULTS[made.name] = made
    return kind
