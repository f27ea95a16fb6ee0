"""Faults that a test can switch on, as they happen at real registrars."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any


class InvalidFaultError(ValueError):
    """The request names an unknown fault, or gives it a value of the wrong type."""


@dataclass(frozen=True)
class Faults:
    """All off by default, and after a restart.

    - `lose_calls`: a call answers 500 and does nothing.
    - `lose_answers`: the receipt is taken, then the call answers 500.
    - `refuse`: receipts that are taken now fail at the cash register.
    - `delay_seconds`: a receipt waits so long for its cash register.
    - `answer_seconds`: every call is answered that much later.
    - `forget_tokens`: every token has had its time.
    """

    lose_calls: bool = False
    lose_answers: bool = False
    refuse: bool = False
    delay_seconds: float = 0.5
    answer_seconds: float = 0.0
    forget_tokens: bool = False


class FaultSwitch:
    """The faults in force."""

    def __init__(self) -> None:
        self.now = Faults()

    def change(self, requested: Any) -> dict[str, Any]:
        """Change the named faults; return all of them. Raises `InvalidFaultError`."""
        known = {field.name: field.default for field in fields(Faults)}
        if not isinstance(requested, dict) or requested.keys() - known.keys():
            raise InvalidFaultError(f"Send a JSON object with some of {', '.join(known)}.")
        changes = {name: _typed(known[name], name, value) for name, value in requested.items()}
        self.now = replace(self.now, **changes)
        return asdict(self.now)

    def clear(self) -> dict[str, Any]:
        self.now = Faults()
        return asdict(self.now)


def _typed(example: Any, name: str, value: Any) -> Any:
    if isinstance(example, bool):
        if isinstance(value, bool):
            return value
        raise InvalidFaultError(f"{name} is true or false.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise InvalidFaultError(f"{name} is a number of seconds from 0 to 3600.")
    return float(value)
