"""Faults that a test can switch on, as they happen at real acquirers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deploy.doubles import fault_switch
from deploy.doubles.fault_switch import RandomFaults


@dataclass(frozen=True)
class Faults(RandomFaults):
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


class FaultSwitch(fault_switch.FaultSwitch[Faults]):
    """The faults in force."""

    def __init__(self) -> None:
        super().__init__(Faults(), OCCASIONS)
