"""Faults that a test can switch on, as they happen at real banks."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, fields, replace
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

    Callbacks:

    - `drop_callbacks`: no callback is queued.
    - `double_callbacks`: every callback is sent twice.
    - `callback_delay_seconds`: a callback is sent that much later.

    The payer's pages:

    - `error_before_charge`: the page answers 500 and charges nothing.
    - `error_after_charge`: the card is charged, then the page answers 500.
    - `charges_other_amount`: the card is charged that many kopecks more than ordered, or less where
      it is negative; `true` is a rouble more. The status call says so.
    - `end_sessions`: the sessions of all open orders are over.

    The merchant's calls:

    - `hang`: no call and no page is answered until the fault is off; then each takes its course.
    - `register_hangs`: the order is registered, and the call is answered when the fault is off.
    - `lose_register_call`: the register call answers 500 and registers nothing.
    - `lose_register_answer`: the order is registered, then the call answers 500.
    - `lose_status_answer`: the status call answers 500.
    - `status_delay_seconds`: the status call answers that much later.
    - `status_lags`: the status call reports each order as it was registered.
    - `status_denies`: the status call knows no order.
    - `status_misreports`: the status call reports a rouble more than was charged.
    - `lose_close_call`: the call that closes an order answers 500 and closes nothing.
    - `lose_close_answer`: the order is closed, then the call answers 500.
    - `refuse_refunds`: reversals and refunds are refused.
    - `lose_refund_call`: reversals and refunds answer 500 and return nothing.
    - `lose_refund_answer`: the money is returned, then the call answers 500.
    - `lose_report_answer`: the report of a period answers 500.

    Any of them:

    - `chaos`: the probability from 0 to 1 with which a call, a payment on a page, or a callback
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
    hang: bool = False
    register_hangs: bool = False
    lose_register_call: bool = False
    lose_register_answer: bool = False
    lose_status_answer: bool = False
    status_delay_seconds: float = 0.0
    status_lags: bool = False
    status_denies: bool = False
    status_misreports: bool = False
    lose_close_call: bool = False
    lose_close_answer: bool = False
    refuse_refunds: bool = False
    lose_refund_call: bool = False
    lose_refund_answer: bool = False
    lose_report_answer: bool = False
    chaos: float = 0.0
    chaos_seed: int = 0


_RETURNS: Final = ("refuse_refunds", "lose_refund_call", "lose_refund_answer", "hang")

#: What chaos draws from, by the occasion on which something can fail.
OCCASIONS: Final = {
    "register.do": ("lose_register_call", "lose_register_answer", "register_hangs", "hang"),
    "getOrderStatusExtended.do": (
        "lose_status_answer",
        "status_delay_seconds",
        "status_lags",
        "status_denies",
        "status_misreports",
        "hang",
    ),
    "decline.do": ("lose_close_call", "lose_close_answer", "hang"),
    "reverse.do": _RETURNS,
    "refund.do": _RETURNS,
    "getLastOrdersForMerchants.do": ("lose_report_answer", "hang"),
    "sbp/c2b/qr/dynamic/get.do": ("hang",),
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
        changes: dict[str, Any] = {}
        known = {field.name: field.default for field in fields(Faults)}
        for name, value in requested.items():
            if name not in known:
                raise InvalidFaultError(
                    f"There is no fault {name!r}; there are {', '.join(known)}."
                )
            changes[name] = _as_type_of(known[name], name, value)
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
        unit = "a probability" if name == "chaos" else "a number of seconds"
        raise InvalidFaultError(f"{name} is {unit} from 0 to {most}.")
    return float(value)


def _whole(name: str, value: Any) -> int:
    if name == "charges_other_amount" and isinstance(value, bool):
        return ROUBLE if value else 0
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**9:
        raise InvalidFaultError(f"{name} is a whole number.")
    return value
