"""The acquirer port: what payments need of a bank that takes cards, in no bank's own terms.

Each module of this package speaks one bank's protocol and is the only place that knows it. Every
outcome is a value; one that is not certain is UNKNOWN, never a guess, because a timeout says
nothing about what the acquirer did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import Final, Protocol
from uuid import UUID

import msgspec

from shared.acquirer_settings import AcquirerSettings
from shared.config import ConfigurationError
from shared.money import Kopecks

#: The protocols of SALDO_ACQUIRERS, each with the module that speaks it. A module has
#: `connect(settings: AcquirerSettings) -> Acquirer`.
ACQUIRERS: Final = {
    "rbs": "services.payments.acquirers.rbs",
    "yookassa": "services.payments.acquirers.yookassa",
}


class OrderState(StrEnum):
    """The state of an order, as the acquirer reports it."""

    PENDING = "pending"
    """Registered; the payer has not finished."""
    HELD = "held"
    """The sum is held on the card; it is charged by `capture`, a second step."""
    PAID = "paid"
    """The card was charged."""
    DECLINED = "declined"
    """The issuer refused the card; some acquirers let the payer try another one."""
    EXPIRED = "expired"
    """The acquirer closed the order: the payer did not pay in time, or we have closed it."""
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


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order by our number and by the acquirer's own id, None while we do not know it."""

    order_number: str
    order_id: str | None


class Registered(msgspec.Struct, frozen=True):
    """The acquirer accepted the order; the card is entered at `form_url`."""

    order_id: str
    form_url: str


class NumberTaken(msgspec.Struct, frozen=True):
    """The acquirer already has an order of this number: an earlier call succeeded.

    Only of an acquirer that cannot say again where that order is paid.
    """


class Refused(msgspec.Struct, frozen=True):
    """The acquirer did not do what it was asked; `reason` is its own code, for log and staff."""

    reason: str


class UnknownOutcome(msgspec.Struct, frozen=True):
    """The acquirer may have done it or not; `reason` is for the log."""

    reason: str


class Done(msgspec.Struct, frozen=True):
    """The acquirer did it."""


Registration = Registered | NumberTaken | Refused | UnknownOutcome
Outcome = Done | Refused | UnknownOutcome


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the acquirer has it.

    `charged` is what left the card (of a HELD order: what is held), `returned` what went back to it
    since, in all. `charged_at` is by the acquirer's clock. `reason` is the acquirer's own code of a
    decline, or why the state is unknown; it is for the log and for staff only.
    """

    state: OrderState
    ordered: Kopecks = 0
    charged: Kopecks = 0
    returned: Kopecks = 0
    charged_at: datetime | None = None
    masked_card: str | None = None
    reason: str = ""
    order_number: str = ""
    """Set in the acquirer's report of a day; "" where it is what was asked for."""
    order_id: str = ""


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What came to our address for callbacks: any of it may be forged."""

    parameters: Mapping[str, str]
    """Of the query and of a form."""
    body: str = ""
    """A JSON body as it came; "" without one."""
    remote_address: str = ""


class Callback(msgspec.Struct, frozen=True):
    """A genuine callback: something happened to the order, so ask the acquirer what."""

    order_number: str
    order_id: str = ""
    """The acquirer's own id, where it does not name our number."""


class FasterPayment(msgspec.Struct, frozen=True):
    """«СБП»: the order as a QR code, to be paid from the application of any bank.

    `payload` is the link that the code holds; on a telephone it opens the application.
    """

    payload: str


class Acquirer(Protocol):
    """A bank that takes cards. An instance is safe in threads and in greenlets."""

    two_steps: bool
    """Whether a card is only HELD until `capture`: an order that nobody captures takes nothing."""

    def register(self, order: NewOrder) -> Registration:
        """Register an order; charges nothing. May be repeated with the same order."""
        ...

    def find_order(self, order: Order) -> OrderReport | None:
        """Return the order; None when the acquirer has none of this number."""
        ...

    def capture(self, order: Order, amount: Kopecks) -> Outcome:
        """Charge what is HELD. May be repeated; Refused where the protocol has one stage."""
        ...

    def close(self, order: Order) -> Outcome:
        """Close an order that is not paid, so that it cannot be paid any more.

        What is HELD is released. Refused where it is paid, or where the protocol has no such call.
        """
        ...

    def give_back(
        self, order: Order, amount: Kopecks, charged: Kopecks, refund_id: UUID
    ) -> Outcome:
        """Return money to the card: all of what was `charged`, or a part.

        The acquirer may not know a repetition by `refund_id`: whoever repeats asks `find_order`
        first what is `returned` already.
        """
        ...

    def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
        """Return the orders that were charged from `since` to before `until`, as they are now.

        Raises Unavailable ``acquirer_unavailable`` when the acquirer does not answer.
        """
        ...

    def faster_payment(self, order: Order) -> FasterPayment | None:
        """Return the QR code of an open order; None where the acquirer has none for it."""
        ...

    def read_callback(self, request: CallbackRequest) -> Callback | None:
        """Return the callback that a request holds; None when the acquirer did not send it."""
        ...

    def number_of(self, order_id: str) -> str:
        """Return our number of an order by the acquirer's own id; "" for none of ours.

        Raises Unavailable ``acquirer_unavailable`` when the acquirer does not answer.
        """
        ...


def open_acquirer(settings: AcquirerSettings) -> Acquirer:
    """Return one acquirer by its settings.

    Raises ConfigurationError for an unknown protocol.
    """
    try:
        module = ACQUIRERS[settings.protocol]
    except KeyError:
        known = ", ".join(ACQUIRERS)
        raise ConfigurationError(
            f"SALDO_ACQUIRERS: {settings.name} speaks {settings.protocol!r}; it must be one of: "
            f"{known}"
        ) from None
    acquirer: Acquirer = import_module(module).connect(settings)
    return acquirer


def open_acquirers(settings: Iterable[AcquirerSettings]) -> Mapping[str, Acquirer]:
    """Return the acquirers by name, in the order of their settings."""
    return {one.name: open_acquirer(one) for one in settings}
