"""Faults that a test can switch on, as they happen at real acquirers."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

#: A rouble, by which an amount is wrong.
ROUBLE: Final = 100

_LONGEST_DELAY: Final = 3600
_CHAOS_HANG_SECONDS: Final = 15.0


class InvalidFaultError(ValueError):
    """The request names an unknown fault, or gives it a value of the wrong type."""


@dataclass(frozen=True)
class Faults:
    """All off by default, and after a restart: they are kept in memory only.

    Notifications:

    - `drop_callbacks`: none is queued.
    - `double_callbacks`: every one is sent twice.
    - `callback_delay_seconds`: one is sent that much later.

    The payer's pages:

    - `error_before_charge`: the page answers 500 and takes nothing.
    - `error_after_charge`: the sum is held or charged, then the page answers 500.
    - `charges_other_amount`: that many kopecks more than ordered are taken, or less where it is
      negative; `true` is a rouble more.
    - `end_sessions`: the time to pay of all open payments is over.
    - `end_holds`: the time to capture all that is held is over.

    The shop's calls, `<call>` being register, status, capture, close, refund or report:

    - `hang`: no call is answered until the fault is off; then each takes its course.
    - `lose_<call>_call`: the call answers 500 and does nothing.
    - `lose_<call>_answer`: the call is done, then answers 500.
    - `status_delay_seconds`: a payment that is asked for is answered that much later.
    - `status_lags`: a payment that is asked for is as it was created.
    - `status_denies`: a payment that is asked for is unknown, and lists are empty.
    - `status_misreports`: a payment that is asked for has a rouble more than was charged.
    - `refuse_refunds`: refunds are refused.
    - `refund_pending_seconds`: a refund stays pending that long.

    Any of them:

    - `chaos`: the probability from 0 to 1 with which a call, a payment on a page, or a notification
      meets one of the faults that concern it, drawn at random; a hanging one takes 15 seconds.
    - `chaos_seed`: where the draws begin; setting it begins them anew.
    """

    drop_callbacks: bool = False
    double_callbacks: bool = False
    callback_delay_seconds: float = 0.0
    error_before_charge: bool = False
    error_after_charge: bool = False
    charges_other_amount: int = 0
    end_sessions: bool = False
    end_holds: bool = False
    hang: bool = False
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
    status_delay_seconds: float = 0.0
    status_lags: bool = False
    status_denies: bool = False
    status_misreports: bool = False
    refuse_refunds: bool = False
    refund_pending_seconds: float = 0.0
    chaos: float = 0.0
    chaos_seed: int = 0

    def loses(self, call: str, part: str) -> bool:
        """Return whether the call itself or its answer is lost."""
        return bool(getattr(self, f"lose_{call}_{part}"))


#: What chaos draws from, by the occasion on which something can fail.
OCCASIONS: Final = {
    **{
        call: (f"lose_{call}_call", f"lose_{call}_answer", "hang")
        for call in ("register", "capture", "close", "report")
    },
    "status": (
        "lose_status_call",
        "lose_status_answer",
        "status_delay_seconds",
        "status_lags",
        "status_denies",
        "status_misreports",
        "hang",
    ),
    "refund": (
        "lose_refund_call",
        "lose_refund_answer",
        "refuse_refunds",
        "refund_pending_seconds",
        "hang",
    ),
    "payment": ("error_before_charge", "error_after_charge", "charges_other_amount"),
    "callback": ("drop_callbacks", "double_callbacks", "callback_delay_seconds"),
}


class FaultSwitch:
    """The faults in force; threads read them, the admin endpoint changes them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._faults = Faults()
        self._draws = random.Random(0)  # noqa: S311 - no secret
        self._released = False

    @property
    def now(self) -> Faults:
        return self._faults

    def drawn(self, occasion: str) -> Faults:
        """Return the faults of one occasion: those in force, and what chaos adds."""
        with self._changed:
            faults = self._faults
            if not faults.chaos or self._draws.random() >= faults.chaos:
                return faults
            name = self._draws.choice(OCCASIONS[occasion])
            drawn: dict[str, Any] = {name: self._drawn_value(name)}
            return replace(faults, **drawn)

    def hang(self) -> None:
        """Wait while `hang` is on; where chaos has drawn it, for a time."""
        with self._changed:
            if self._faults.hang:
                self._changed.wait_for(lambda: self._released or not self._faults.hang)
            else:
                self._changed.wait_for(
                    lambda: self._released or not self._faults.chaos, _CHAOS_HANG_SECONDS
                )

    def release(self) -> None:
        """End all waiting: the process stops."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

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
        with self._changed:
            self._faults = replace(self._faults, **changes)
            if "chaos_seed" in changes:
                self._draws.seed(changes["chaos_seed"])
            self._changed.notify_all()
            return asdict(self._faults)

    def clear(self) -> dict[str, Any]:
        """Switch all faults off; return all of them."""
        with self._changed:
            self._faults = Faults()
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
    if isinstance(example, int):
        return _whole(name, value)
    most = 1 if name == "chaos" else _LONGEST_DELAY
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InvalidFaultError(f"{name} is a number from 0 to {most}.")
    return float(value)


def _whole(name: str, value: Any) -> int:
    if name == "charges_other_amount" and isinstance(value, bool):
        return ROUBLE if value else 0
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**9:
        raise InvalidFaultError(f"{name} is a whole number.")
    return value
