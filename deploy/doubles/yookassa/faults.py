"""Faults that a test can switch on, as they happen at real acquirers."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final


class InvalidFaultError(ValueError):
    """The request names an unknown fault, or gives it a value of the wrong type."""


@dataclass(frozen=True)
class Faults:
    """All off by default, and after a restart: they are kept in memory only.

    - `drop_callbacks`: no notification is queued.
    - `double_callbacks`: every notification is sent twice.
    - `callback_delay_seconds`: a notification is sent that much later.
    - `error_before_charge`: the page answers 500 and holds nothing.
    - `error_after_charge`: the card is charged or held, then the page answers 500.
    - `end_sessions`: the time to pay of all open payments is over.
    - `end_holds`: the time to capture all that is held is over.
    - `lose_<call>_call`: the call answers 500 and does nothing.
    - `lose_<call>_answer`: the call is done, then answers 500.
    - `hang_seconds`: every call of the API is answered that much later.
    - `status_delay_seconds`: a payment that is asked for is answered that much later.
    - `status_lags`: a payment that is asked for is as it was created.
    - `status_denies`: a payment that is asked for is unknown, and lists are empty.
    - `status_misreports`: a payment that is asked for has a rouble more than was charged.
    - `charge_wrong_amount`: a rouble more than ordered is held or charged.
    - `refund_pending_seconds`: a refund stays pending that long.
    - `chaos`: the probability with which each fault of CHAOTIC strikes, each time anew.
    - `seed`: of the random numbers of `chaos`; setting it begins their sequence again.
    """

    drop_callbacks: bool = False
    double_callbacks: bool = False
    callback_delay_seconds: float = 0.0
    error_before_charge: bool = False
    error_after_charge: bool = False
    end_sessions: bool = False
    end_holds: bool = False
    lose_register_call: bool = False
    lose_register_answer: bool = False
    lose_status_call: bool = False
    lose_status_answer: bool = False
    lose_capture_call: bool = False
    lose_capture_answer: bool = False
    lose_close_call: bool = False
    lose_close_answer: bool = False
    lose_refund_call: bool = False
    lose_refund_answer: bool = False
    lose_report_call: bool = False
    lose_report_answer: bool = False
    hang_seconds: float = 0.0
    status_delay_seconds: float = 0.0
    status_lags: bool = False
    status_denies: bool = False
    status_misreports: bool = False
    charge_wrong_amount: bool = False
    refund_pending_seconds: float = 0.0
    chaos: float = 0.0
    seed: float = 0.0


CHAOTIC: Final = frozenset(
    field.name
    for field in fields(Faults)
    if field.name.startswith(("lose_", "drop_", "double_", "error_")) or field.name == "status_lags"
)
"""The faults that strike by chance: each passes, and none takes a wrong sum."""


class FaultSwitch:
    """The faults in force; threads read them, the admin endpoint changes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = Faults()
        self._random = random.Random(0)  # noqa: S311 - no secret

    @property
    def now(self) -> Faults:
        return self._faults

    def strikes(self, fault: str) -> bool:
        """Return whether a fault is switched on, or strikes by chance."""
        faults = self._faults
        if getattr(faults, fault):
            return True
        if not faults.chaos or fault not in CHAOTIC:
            return False
        with self._lock:
            return self._random.random() < faults.chaos

    def change(self, requested: Any) -> dict[str, Any]:
        """Change the named faults; return all of them. Raises `InvalidFaultError`."""
        if not isinstance(requested, dict):
            raise InvalidFaultError("Send a JSON object with the faults to change.")
        known = asdict(Faults())
        for name in requested:
            if name not in known:
                raise InvalidFaultError(
                    f"There is no fault {name!r}; there are {', '.join(known)}."
                )
        changes = {name: _as_type_of(known[name], name, requested[name]) for name in requested}
        with self._lock:
            self._faults = replace(self._faults, **changes)
            if "seed" in changes:
                self._random.seed(self._faults.seed)
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
    most = {"chaos": 1, "seed": 2**53}.get(name, 3600)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InvalidFaultError(f"{name} is a number from 0 to {most}.")
    return float(value)
