"""The switch of a simulated bank's faults: set by hand, or drawn at random from a seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Generic, TypeVar

#: A rouble, by which an amount is wrong.
ROUBLE: Final = 100

_LONGEST_DELAY: Final = 3600
_LONGEST_TEXT: Final = 320
_CHAOS_HANG_SECONDS: Final = 15.0


class InvalidFaultError(ValueError):
    """The request names an unknown fault, or gives it a value of the wrong type."""


@dataclass(frozen=True)
class RandomFaults:
    """What the faults of every bank have: the probability of one by chance, and the seed."""

    chaos: float = 0.0
    chaos_seed: int = 0


F = TypeVar("F", bound=RandomFaults)


class FaultSwitch(Generic[F]):
    """The faults in force; threads read them, the admin endpoint changes them.

    `off` are the faults when none is on; `occasions` what chaos draws from, by the occasion on
    which something can fail.
    """

    def __init__(self, off: F, occasions: Mapping[str, Sequence[str]]) -> None:
        self._changed = threading.Condition()
        self._off = self._faults = off
        self._occasions = occasions
        self._draws = random.Random(0)  # noqa: S311 - no secret
        self._released = False

    @property
    def now(self) -> F:
        return self._faults

    def drawn(self, occasion: str) -> F:
        """Return the faults of one occasion: those in force, and what chaos adds."""
        with self._changed:
            faults = self._faults
            if not faults.chaos or self._draws.random() >= faults.chaos:
                return faults
            name = self._draws.choice(self._occasions[occasion])
            drawn: dict[str, Any] = {name: self._drawn_value(name)}
            return replace(faults, **drawn)

    def hold(self, name: str) -> bool:
        """Wait while a fault that hangs is on; return whether the bank still serves.

        One that chaos has drawn ends by itself.
        """
        with self._changed:
            if getattr(self._faults, name):
                self._changed.wait_for(lambda: self._released or not getattr(self._faults, name))
            else:
                self._changed.wait_for(
                    lambda: self._released or not self._faults.chaos, _CHAOS_HANG_SECONDS
                )
            return not self._released

    def release(self) -> None:
        """End all waiting: the bank stops."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def change(self, requested: Any) -> dict[str, Any]:
        """Change the named faults; return all of them. Raises `InvalidFaultError`."""
        if not isinstance(requested, dict):
            raise InvalidFaultError("Send a JSON object with the faults to change.")
        known = asdict(self._off)
        for name in requested:
            if name not in known:
                raise InvalidFaultError(
                    f"There is no fault {name!r}; there are {', '.join(known)}."
                )
        changes = {name: _as_type_of(known[name], name, requested[name]) for name in requested}
        with self._changed:
            self._faults = replace(self._faults, **changes)
            if "chaos_seed" in changes:
                self._draws.seed(changes["chaos_seed"])
            self._changed.notify_all()
            return asdict(self._faults)

    def clear(self) -> dict[str, Any]:
        """Switch all faults off; return all of them."""
        with self._changed:
            self._faults = self._off
            self._changed.notify_all()
            return asdict(self._faults)

    def _drawn_value(self, name: str) -> bool | float | int:
        if name.endswith("_seconds"):
            return self._draws.uniform(0.1, 12)
        if name == "charges_other_amount":
            return self._draws.choice((ROUBLE, -ROUBLE))
        return True


def _as_type_of(example: Any, name: str, value: Any) -> Any:
    if isinstance(example, bool):
        if isinstance(value, bool):
            return value
        raise InvalidFaultError(f"{name} is true or false.")
    if isinstance(example, str):
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
            return value
        raise InvalidFaultError(f"{name} is a text of up to {_LONGEST_TEXT} characters.")
    if isinstance(example, int):
        return _whole(name, value)
    most = 1 if name == "chaos" else _LONGEST_DELAY
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        unit = "a probability" if name == "chaos" else "a number of seconds"
        raise InvalidFaultError(f"{name} is {unit} from 0 to {most}.")
    return float(value)


def _whole(name: str, value: Any) -> int:
    if name == "charges_other_amount" and isinstance(value, bool):
        return ROUBLE if value else 0
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**9:
        raise InvalidFaultError(f"{name} is a whole number.")
    return value
