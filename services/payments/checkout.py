"""Starting a payment: our own record first, then the order at the acquirer, then its page.

Every step may be the last one before a crash, so the same command can always be sent again: it
resumes where the first one stopped. What it returns is honest at any moment: the bank's page, or
our own page that leads on to it as soon as there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.payments import application, snapshots
from services.payments.application import NO_LIMITS, Limits
from services.payments.domain import must_be_restarted, payment_id_of
from services.payments.events import Line, Split
from services.payments.polling import Acquirers
from services.payments.registration import Registrar, close_declined, close_order
from services.payments.scheduling import CLAIM
from services.payments.snapshots import PaymentSnapshot
from services.payments.splits import frozen_split
from services.payments.state import OPEN, State
from shared import context
from shared.account_key import number_of
from shared.errors import (
    Conflict,
    Forbidden,
    NotFound,
    ServiceError,
    Unavailable,
    ValidationFailed,
)
from shared.eventstore import Session, Store
from shared.ids import new_id

#: Seconds that one call waits for another that is registering the same order.
PATIENCE: Final = 6.0
_PAUSE: Final = 0.1

#: As many open payments of one person can stand in the way of another one.
_MOST_CLOSED: Final = 10

#: (person, account numbers) -> what he may do with those that are his: key, role and state.
FindAccess = Callable[[UUID, list[str]], Mapping[str, Mapping[str, Any]]]


class _Started(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it is once it is started.

    `claimed_until`: until then this call alone may register its order; None: it has no claim.
    """

    payment: PaymentSnapshot
    claimed_until: datetime | None


class Checkout:
    """Starts payments. `return_url` is a template with `{payment_id}`."""

    def __init__(
        self,
        store: Store,
        acquirers: Acquirers,
        find_access: FindAccess,
        return_url: str,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._store = store
        self._acquirers = acquirers
        self._find_access = find_access
        self._registrar = Registrar(store, acquirers, return_url)
        self._limits = limits

    def start(
        self, person_id: UUID, lines: Sequence[Line], acquirer: str | None = None
    ) -> dict[str, Any]:
        """Start a payment; return {payment_id, total, redirect_url, state}.

        One that is open for the same split is returned in place of another one; one that is open
        for another split of the same accounts is closed first. Raises ValidationFailed (see
        `frozen_split`; `acquirer_unknown`), NotFound `account_not_linked`, Forbidden `may_not_pay`,
        Conflict `account_closed`, `payment_open`, `too_many_open_payments`,
        `payment_must_be_restarted` or `command_reused`.
        """
        split = frozen_split(lines, self._limits.largest)
        if acquirer is not None and acquirer not in self._acquirers.by_name:
            raise ValidationFailed(
                "acquirer_unknown", "There is no such way to pay here.", field="acquirer"
            )
        command_id = context.current().command_id or new_id()
        payment_id = payment_id_of(person_id, command_id)
        command = application.StartPayment(
            payment_id=payment_id,
            person_id=person_id,
            lines=self._with_keys(person_id, payment_id, split),
            acquirer=acquirer or "",
        )
        with context.bind(command_id=command_id):
            # First, as the worker goes on with what is started when this process ends.
            self._close_declined(command)
            started = self._started(command)
            payment, until = started.payment, started.claimed_until
            if payment.state is State.CREATED and not payment.form_url:
                payment = (
                    self._with_page(payment)
                    if until is None
                    else self._registrar.register_claimed(payment, until)
                )
        return self._result(payment)

    def _close_declined(self, command: application.StartPayment) -> None:
        """Close the pages of declined payments that the same accounts are paid anew in place of."""
        accounts = [line.account for line in command.lines]
        rows = self._store.look(lambda session: session.read.declined(command.person_id, accounts))
        for row in rows:
            close_declined(self._store, self._acquirers, snapshots.snapshot_of(row))

    def _started(self, command: application.StartPayment) -> _Started:
        """Start the payment, or return it as another execution of the command has started it."""
        try:
            return self._start(command)
        except Unavailable:
            raise
        except ServiceError as refusal:
            # Only now: until then what stood in the way might have been closed.
            result = self._store.refuse(application.start_payment, command, refusal)
            return self._load_started(UUID(result["payment_id"]), None)

    def _start(self, command: application.StartPayment) -> _Started:
        """Start the payment, closing those that stand in its way; claim its order with that."""
        for _ in range(_MOST_CLOSED):
            # Anew each time: to close an order takes a part of the time of a claim.
            until = self._store.clock.now() + CLAIM
            try:
                result = self._store.execute(self._start_until(until), command, final=False)
            except Conflict as error:
                if error.code != "payment_open" or error.told:
                    raise
                in_the_way = self._load(UUID(error.params["payment_id"]))
                if in_the_way.state in {State.MISMATCH, State.CAPTURED}:
                    raise
                if in_the_way.state not in OPEN:
                    # Another call has closed it since.
                    continue
                close_order(self._store, self._acquirers, in_the_way)
                if self._load(in_the_way.payment_id) != in_the_way:
                    continue
                raise
            return self._load_started(UUID(result["payment_id"]), until)
        raise application.payment_open(command.payment_id)

    def _start_until(
        self, until: datetime
    ) -> Callable[[Session, application.StartPayment], dict[str, Any]]:
        """Return `start_payment` with what is no part of the command, and may change."""

        @wraps(application.start_payment)
        def start(session: Session, command: application.StartPayment) -> dict[str, Any]:
            first = self._acquirers.first
            return application.start_payment(session, command, self._limits, first, until)

        return start

    def _load_started(self, payment_id: UUID, until: datetime | None) -> _Started:
        row = self._store.look(lambda session: session.read.shown(payment_id))
        if row is None:
            raise RuntimeError(f"payment {payment_id} was started but is missing")
        # Another claim is that of whoever has started it, or goes on with it.
        is_ours = row["claimed_until"] == until
        return _Started(
            payment=snapshots.snapshot_of(row), claimed_until=until if is_ours else None
        )

    def _with_page(self, payment: PaymentSnapshot) -> PaymentSnapshot:
        """Return the payment with its page, where an acquirer has one for it soon."""
        payment = self._registrar.register(payment)
        waited = 0.0
        while payment.state is State.CREATED and waited < PATIENCE:
            # In this order: whoever has the claim records the page before the claim ends.
            under_way = self._is_claimed(payment)
            payment = self._registrar.load(payment)
            if not under_way:
                break
            time.sleep(_PAUSE)
            waited += _PAUSE
        return payment

    def _is_claimed(self, payment: PaymentSnapshot) -> bool:
        poll = self._store.look(lambda session: session.read.polls.find(payment.payment_id))
        until = poll["claimed_until"] if poll else None
        return until is not None and until > self._store.clock.now()

    def _with_keys(self, person_id: UUID, payment_id: UUID, split: Split) -> Split:
        """Return a split by the keys of its accounts; one that was started keeps its own."""
        known = self._store.look(lambda session: session.read.lines([payment_id]))
        keys = {number_of(line["account"]): line["account"] for line in known.get(payment_id, ())}
        if not keys:
            keys = self._payable(person_id, [line.account for line in split])
        return tuple(replace(line, account=keys.get(line.account, line.account)) for line in split)

    def _payable(self, person_id: UUID, numbers: list[str]) -> dict[str, str]:
        """Return number -> key, if the person may pay all of them."""
        access = self._find_access(person_id, numbers)
        unlinked = [number for number in numbers if number not in access]
        if unlinked:
            raise NotFound(
                "account_not_linked",
                "Link the account to the cabinet before paying it.",
                accounts=unlinked,
            )
        for number, mine in access.items():
            if mine["state"] == "closed":
                raise Conflict(
                    "account_closed", "This account is closed: it cannot be paid.", account=number
                )
            if mine["role"] == "viewer":
                raise Forbidden("may_not_pay", "You may only look at this account.", account=number)
        return {number: str(mine["account"]) for number, mine in access.items()}

    def _result(self, payment: PaymentSnapshot) -> dict[str, Any]:
        if payment.state in {State.FAILED, State.EXPIRED}:
            raise must_be_restarted(payment.payment_id)
        address = self._registrar.page_of(payment)
        if payment.state is State.CREATED:
            address += "/go"
        elif payment.state is State.AWAITING_PAYMENT and payment.form_url:
            address = payment.form_url
        return {
            "payment_id": str(payment.payment_id),
            "total": payment.total,
            "redirect_url": address,
            "state": payment.state.value,
        }

    def _load(self, payment_id: UUID) -> PaymentSnapshot:
        payment = self._store.look(lambda session: snapshots.snapshot(session, payment_id))
        if payment is None:
            raise RuntimeError(f"payment {payment_id} was started but is missing")
        return payment
