"""An order at the bank: its fields, its states, and why the bank refuses something about it.

As in the protocol, amounts are integer kopecks, and instants are milliseconds of the Unix epoch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

REGISTERED: Final = 0
PAID: Final = 2
REVERSED: Final = 3
REFUNDED: Final = 4
CODE_REQUESTED: Final = 5
DECLINED: Final = 6

#: The states of an order whose sum was charged, whatever went back since.
CHARGED: Final = frozenset({PAID, REVERSED, REFUNDED})

#: Why an order was declined (`actionCode`): refused by the issuer; session timed out; wrong 3-D
#: Secure code; closed by the merchant before any attempt to pay.
BY_ISSUER: Final = 116
BY_TIMEOUT: Final = -2007
BY_WRONG_CODE: Final = -2019
WITHOUT_ATTEMPT: Final = -100

#: How an order was paid (`paymentWay`).
BY_CARD: Final = "CARD"
BY_QR: Final = "SBP_C2B"


class OrderRefusedError(Exception):
    """An operation that the bank refuses; `code` and `text` go into the response."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class NewOrder:
    """The order that a merchant registers."""

    order_number: str
    amount: int
    return_url: str
    fail_url: str
    description: str
    session_seconds: int


@dataclass(frozen=True)
class Order:
    """One order; the fields are the columns of the table.

    `charged` is what left the card, `returned` what went back to it since, in all.
    """

    order_id: str
    order_number: str
    amount: int
    charged: int
    returned: int
    return_url: str
    fail_url: str
    description: str
    status: int
    action_code: int
    registered_at: int
    expires_at: int
    charged_at: int | None
    paid_by: str
    masked_pan: str | None
    code_attempts: int

    @property
    def is_open(self) -> bool:
        return self.status in {REGISTERED, CODE_REQUESTED}

    @property
    def left(self) -> int:
        """What can still be returned."""
        return self.charged - self.returned


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000
