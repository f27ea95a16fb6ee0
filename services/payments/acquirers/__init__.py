"""The acquirer port: what payments need of a bank that takes cards, in no bank's own terms.

Each module of this package speaks one bank's protocol and is the only place that knows it. Every
outcome is a value; one that is not certain is UNKNOWN, never a guess, because a timeout says
nothing about what the acquirer did.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import Final, Protocol

import msgspec

from shared.config import ConfigurationError, Settings
from shared.money import Kopecks

#: The values of SALDO_ACQUIRER, each with the module that speaks the protocol. A module has
#: `connect(settings) -> Acquirer`.
ACQUIRERS: Final = {
    "rbs": "services.payments.acquirers.rbs",
}


class OrderState(StrEnum):
    """The state of an order, as the acquirer reports it."""

    PENDING = "pending"
    """Registered; the payer has not finished."""
    PAID = "paid"
    """The card was charged."""
    DECLINED = "declined"
    """The issuer refused the card; some acquirers let the payer try another one."""
    EXPIRED = "expired"
    """The acquirer closed the order: the payer did not pay in time."""
    RETURNED = "returned"
    """Charged, then reversed or refunded, in full or in part."""
    UNKNOWN = "unknown"
    """The acquirer gave no answer that can be relied on."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to register; the payer returns to `return_url`, paid or not."""

    order_number: str
    amount: Kopecks
    description: str
    return_url: str
    session_seconds: int


class Registered(msgspec.Struct, frozen=True):
    """The acquirer accepted the order; the card is entered at `form_url`."""

    order_id: str
    form_url: str


class NumberTaken(msgspec.Struct, frozen=True):
    """The acquirer already has an order of this number: an earlier call succeeded."""


class Refused(msgspec.Struct, frozen=True):
    """The acquirer did not accept the order; `reason` is its own code, for the log."""

    reason: str


class UnknownOutcome(msgspec.Struct, frozen=True):
    """The order may be registered or not; `reason` is for the log."""

    reason: str


Registration = Registered | NumberTaken | Refused | UnknownOutcome


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the acquirer has it.

    `charged` is what left the card, `returned` what went back to it. `charged_at` is by the
    acquirer's clock. `reason` is the acquirer's own code of a decline, or why the state is unknown;
    it is for the log only.
    """

    state: OrderState
    ordered: Kopecks = 0
    charged: Kopecks = 0
    returned: Kopecks = 0
    charged_at: datetime | None = None
    masked_card: str | None = None
    reason: str = ""


class Callback(msgspec.Struct, frozen=True):
    """A genuine callback: something happened to the order, so ask the acquirer what."""

    order_number: str


class Acquirer(Protocol):
    """A bank that takes cards. An instance is safe in threads and in greenlets."""

    def register(self, order: NewOrder) -> Registration:
        """Register an order; charges nothing."""
        ...

    def find_order(self, order_number: str, order_id: str | None) -> OrderReport | None:
        """Return the order; None when the acquirer has none of this number.

        `order_id` is the acquirer's own id, None while we do not know it.
        """
        ...

    def read_callback(self, parameters: Mapping[str, str]) -> Callback | None:
        """Return the callback that a request holds; None when the acquirer did not sign it."""
        ...


def open_acquirer(settings: Settings) -> Acquirer:
    """Return the acquirer that SALDO_ACQUIRER names.

    Raises ConfigurationError for an unknown name.
    """
    try:
        module = ACQUIRERS[settings.acquirer]
    except KeyError:
        known = ", ".join(ACQUIRERS)
        raise ConfigurationError(
            f"SALDO_ACQUIRER is {settings.acquirer!r}; it must be one of: {known}"
        ) from None
    acquirer: Acquirer = import_module(module).connect(settings)
    return acquirer
