"""Faults that a test can switch on, as they happen at real banks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deploy.doubles import fault_switch
from deploy.doubles.fault_switch import RandomFaults


@dataclass(frozen=True)
class Faults(RandomFaults):
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


class FaultSwitch(fault_switch.FaultSwitch[Faults]):
    """The faults in force."""

    def __init__(self) -> None:
        super().__init__(Faults(), OCCASIONS)
