"""Faults that a test can switch on, as they happen at real banks."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


class InvalidFaultError(ValueError):
    """The request names an unknown fault, or gives it a value of the wrong type."""


@dataclass(frozen=True)
class Faults:
    """All off by default, and after a restart: they are kept in memory only.

    - `drop_callbacks`: no callback is queued.
    - `double_callbacks`: every callback is sent twice.
    - `callback_delay_seconds`: a callback is sent that much later.
    - `error_before_charge`: the page answers 500 and charges nothing.
    - `error_after_charge`: the card is charged, then the page answers 500.
    - `end_sessions`: the sessions of all open orders are over.
    - `lose_register_call`: the register call answers 500 and registers nothing.
    - `lose_register_answer`: the order is registered, then the call answers 500.
    - `lose_status_answer`: the status call answers 500.
    - `status_delay_seconds`: the status call answers that much later.
    - `status_lags`: the status call reports each order as it was registered.
    - `status_denies`: the status call knows no order.
    - `status_misreports`: the status call reports a rouble more than was charged.
    """

    drop_callbacks: bool = False
    double_callbacks: bool = False
    callback_delay_seconds: float = 0.0
    error_before_charge: bool = False
    error_after_charge: bool = False
    end_sessions: bool = False
    lose_register_call: bool = False
    lose_register_answer: bool = False
    lose_status_answer: bool = False
    status_delay_seconds: float = 0.0
    status_lags: bool = False
    status_denies: bool = False
    status_misreports: bool = False


class FaultSwitch:
    """The faults in force; threads read them, the admin endpoint changes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = Faults()

    @property
    def now(self) -> Faults:
        return self._faults

    def change(self, requested: Any) -> dict[str, Any]:
        """Change the named faults; return all of them. Raises `InvalidFaultError`."""
        if not isinstance(requested, dict):
            raise InvalidFaultError("Send a JSON object with the faults to change.")
        changes: dict[str, Any] = {}
        known = {field.name: field.default for field in fields(Faults)}
        for name, value in requested.items():
            if name not in known:
                raise InvalidFaultError(
                    f"There is no fault {name!r}; there are {', '.join(known)}."
                )
            changes[name] = _as_type_of(known[name], name, value)
        with self._lock:
            self._faults = replace(self._faults, **changes)
            return asdict(self._faults)

    def clear(self) -> dict[str, Any]:
        """Switch all faults off; return all of them."""
        with self._lock:
            self._faults = Faults()
            return asdict(self._faults)


def _as_type_of(example: Any, name: str, value: Any) -> Any:
    if isinstance(example, bool):
        if isinstance(value, bool):
            return value
        raise InvalidFaultError(f"{name} is true or false.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise InvalidFaultError(f"{name} is a number of seconds from 0 to 3600.")
    return float(value)
