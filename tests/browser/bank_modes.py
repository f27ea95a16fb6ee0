"""The ways in which a bank may fail a payer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.demo.acquirer_page import ASKS_FOR_CODE, DECLINED, PAYS

PAID, FAILED, OPEN = "paid", "failed", "open"
DECIDED, ANY = "decided", "any"
"""Paid or failed; either of them, or open: where it depends on which news comes first."""


@dataclass(frozen=True)
class Mode:
    """How the bank behaves while the payer pays and while it reports, and what comes of it."""

    card: str = PAYS
    """"" for a payer who enters none."""
    registering: Mapping[str, Any] = field(default_factory=dict)
    charging: Mapping[str, Any] = field(default_factory=dict)
    reporting: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = PAID
    """While the fault lasts."""
    goes_on: bool = False
    """Whether the payer is led on to the bank's page only once the bank works again."""
    finally_: str = PAID
    """When the bank works again and its sessions are over."""


def is_as_wanted(outcome: str, wanted: str) -> bool:
    """Return whether what a page tells is what is waited for."""
    return wanted in {ANY, outcome} or (wanted == DECIDED and outcome != OPEN)


MODES = {
    "no fault": Mode(),
    "a code of 3-D Secure": Mode(ASKS_FOR_CODE),
    "declined": Mode(DECLINED, outcome=FAILED, finally_=FAILED),
    "no card is entered": Mode("", outcome=OPEN, finally_=FAILED),
    "the session is over": Mode(
        "", reporting={"end_sessions": True}, outcome=FAILED, finally_=FAILED
    ),
    "an error before the charge": Mode(
        charging={"error_before_charge": True}, outcome=OPEN, finally_=FAILED
    ),
    "an error after the charge": Mode(charging={"error_after_charge": True}),
    "the registration is lost on its way": Mode(
        registering={"lose_register_call": True}, outcome=OPEN, goes_on=True
    ),
    "the answer to the registration is lost": Mode(
        registering={"lose_register_answer": True}, outcome=OPEN, goes_on=True
    ),
    "the answer to the poll is lost": Mode(reporting={"lose_status_answer": True}, outcome=OPEN),
    "the answer to the poll is late": Mode(reporting={"status_delay_seconds": 0.3}),
    "the poll knows of no charge yet": Mode(reporting={"status_lags": True}, outcome=ANY),
    "the poll knows no such order": Mode(reporting={"status_denies": True}, outcome=OPEN),
    "the poll tells another sum": Mode(
        reporting={"status_misreports": True}, outcome=ANY, finally_=DECIDED
    ),
}
