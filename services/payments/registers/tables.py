"""The tables of bank registers, projected from the events, and the queries on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Cursor

from services.payments.registers.bank_payment import (
    BankPaymentAccepted,
    BankPaymentCovered,
    BankPaymentDiffered,
    BankPaymentPosted,
    BankPaymentReceived,
    BankPaymentReturned,
    BankPaymentReversed,
    BankPaymentSuspended,
    BankState,
    RegisterImported,
    RegisterReceived,
    Suspense,
)
from shared.database import JOB_HOLDS_LOG
from shared.eventstore import Recorded
from shared.eventstore.append_lock import hold_log_for
from shared.money import Kopecks

TRANSFER_DAYS: Final = 10
"""How many days after the last payment of a register the bank transfers its total."""

WAIT_FOR_THE_LOG: Final = "60s"

_INSERT_REGISTER = (
    "INSERT INTO bank_registers (register_id, file, digest, kind, bank, rows, refused, total, fee,"
    " last_day, taken_by, taken_at, position)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_FINISH_REGISTER = (
    "UPDATE bank_registers SET imported_at = %s, received = %s, repeated = %s, differing = %s"
    " WHERE register_id = %s"
)
_INSERT_PAYMENT = (
    "INSERT INTO bank_payments (payment_id, register_id, row, bank, document, paid_on, amount,"
    " fee, account, named, state, position)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, nullif(%s, ''), %s, %s, %s)"
)
_SUSPEND = (
    "UPDATE bank_payments SET state = 'suspended', reason = %s, ledger_position = NULL"
    " WHERE payment_id = %s"
)
_ACCEPT = (
    "UPDATE bank_payments SET state = 'accepted', account = %s, reason = NULL WHERE payment_id = %s"
)
_POST = (
    "UPDATE bank_payments SET state = 'posted', account = %s, ledger_position = %s"
    " WHERE payment_id = %s"
)
_RETURN = "UPDATE bank_payments SET state = 'returned' WHERE payment_id = %s"
_COVER = "UPDATE bank_payments SET state = 'covered', covered_by = %s WHERE payment_id = %s"
_INSERT_DIFFERENCE = (
    "INSERT INTO register_differences (register_id, row, payment_id, amount, account)"
    " VALUES (%s, %s, %s, %s, %s)"
)
_TRANSFERS = (
    "SELECT payment.payment_id, min(register.register_id::text)::uuid AS register_id"
    " FROM bank_payments AS payment JOIN bank_registers AS register"
    " ON register.kind = 'register' AND register.imported_at IS NOT NULL"
    " AND payment.amount IN (register.total, register.total - register.fee)"
    " AND payment.paid_on BETWEEN register.last_day AND register.last_day + %(days)s::int"
    " WHERE payment.state = 'suspended' AND payment.reason = %(reason)s"
    " AND NOT EXISTS (SELECT FROM bank_payments AS other"
    " WHERE other.covered_by = register.register_id)"
    " GROUP BY payment.payment_id HAVING count(*) = 1"
)
_WITH_FILES = (
    "SELECT payment.*, register.file FROM bank_payments AS payment"
    " JOIN bank_registers AS register USING (register_id)"
)


class Known(NamedTuple):
    """What is known of a payment: its sum, and the account that its file named."""

    amount: Kopecks
    named: str


class RegisterTables:
    """The tables `bank_registers`, `bank_payments`, `register_differences`."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def project(self, recorded: Sequence[Recorded]) -> None:
        """Project the events; those of other aggregates are left alone.

        The log is locked meanwhile, so the rows are sent together, not one by one: first the first
        events of all aggregates, then the second ones.
        """
        turns: Counter[UUID] = Counter()
        rows: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
        for entry in recorded:
            if (change := _change(entry)) is not None:
                statement, row = change
                turns[entry.originator_id] += 1
                rows.setdefault((turns[entry.originator_id], statement), []).append(row)
        for (_, statement), changed in sorted(rows.items(), key=lambda item: item[0][0]):
            self._cursor.executemany(statement, changed)

    def wait_for_writers(self) -> None:
        """Let this transaction wait for its turn in the log: it has time, payers have not."""
        self._cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_THE_LOG}'")
        hold_log_for(self._cursor, JOB_HOLDS_LOG)

    def known(self, ids: Sequence[UUID]) -> Mapping[UUID, Known]:
        """Return what is known of those payments that are recorded."""
        self._cursor.execute(
            "SELECT payment_id, amount, named FROM bank_payments WHERE payment_id = ANY(%s)",
            (list(ids),),
        )
        return {row["payment_id"]: Known(row["amount"], row["named"]) for row in self._cursor}

    def payment(self, payment_id: UUID) -> dict[str, Any] | None:
        """Return a payment with the name of its file; None: there is none."""
        self._cursor.execute(f"{_WITH_FILES} WHERE payment_id = %s", (payment_id,))
        return self._cursor.fetchone()

    def register(self, register_id: UUID) -> dict[str, Any] | None:
        """Return a file; None: it was never taken in."""
        self._cursor.execute("SELECT * FROM bank_registers WHERE register_id = %s", (register_id,))
        return self._cursor.fetchone()

    def registers(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest files, each with how many of its payments are in each state."""
        self._cursor.execute(
            "SELECT register.*, (SELECT coalesce(jsonb_object_agg(state, number), '{}') FROM"
            " (SELECT state, count(*) AS number FROM bank_payments"
            " WHERE register_id = register.register_id GROUP BY state) AS counted) AS states"
            " FROM bank_registers AS register ORDER BY position DESC LIMIT %s",
            (limit,),
        )
        return self._cursor.fetchall()

    def states(self, register_id: UUID) -> dict[str, int]:
        """Return how many payments of a file are in each state."""
        self._cursor.execute(
            "SELECT state, count(*) AS number FROM bank_payments WHERE register_id = %s"
            " GROUP BY state",
            (register_id,),
        )
        return {row["state"]: row["number"] for row in self._cursor}

    def to_take(self, limit: int) -> list[dict[str, Any]]:
        """Return {payment_id, account, paid_on, document} to decide on, the oldest first."""
        self._cursor.execute(
            "SELECT payment_id, account, paid_on, document FROM bank_payments"
            " WHERE state = 'received' ORDER BY position LIMIT %s",
            (limit,),
        )
        return self._cursor.fetchall()

    def transfers(self) -> dict[UUID, UUID]:
        """Return which register each transfer is the total of, where exactly one fits."""
        parameters = {"days": TRANSFER_DAYS, "reason": Suspense.REGISTER_TRANSFER.value}
        self._cursor.execute(_TRANSFERS, parameters)
        # Two transfers of one sum fit one register: only the first is its transfer.
        return {
            payment_id: register_id
            for register_id, payment_id in {
                row["register_id"]: row["payment_id"] for row in reversed(self._cursor.fetchall())
            }.items()
        }

    def suspended(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return payments in suspense after a position of the log, the oldest first."""
        self._cursor.execute(
            f"{_WITH_FILES} WHERE state = 'suspended' AND payment.position > %s"
            " ORDER BY payment.position LIMIT %s",
            (after, limit),
        )
        return self._cursor.fetchall()

    def of_day(self, day: date) -> list[dict[str, Any]]:
        """Return the payments of a day, by bank, file and row."""
        self._cursor.execute(
            f"{_WITH_FILES} WHERE paid_on = %s ORDER BY payment.bank, file, row", (day,)
        )
        return self._cursor.fetchall()

    def differences(self, day: date) -> list[dict[str, Any]]:
        """Return the rows that were refused because a payment of the day is known otherwise."""
        self._cursor.execute(
            "SELECT different.payment_id, register.file, different.row, payment.document,"
            " payment.amount, different.amount AS given, payment.named AS account,"
            " different.account AS given_account"
            " FROM register_differences AS different"
            " JOIN bank_payments AS payment USING (payment_id)"
            " JOIN bank_registers AS register ON register.register_id = different.register_id"
            " WHERE payment.paid_on = %s ORDER BY register.file, different.row",
            (day,),
        )
        return self._cursor.fetchall()


def _change(  # noqa: PLR0911 - one for each event
    entry: Recorded,
) -> tuple[str, tuple[Any, ...]] | None:
    """Return a statement and its row for an event; None for one of another aggregate."""
    id_ = entry.originator_id
    match entry.event:
        case RegisterReceived() as event:
            return _INSERT_REGISTER, _register_row(entry, event)
        case RegisterImported() as event:
            counts = (event.received, event.repeated, event.differing)
            return _FINISH_REGISTER, (entry.recorded_at, *counts, id_)
        case BankPaymentReceived() as event:
            return _INSERT_PAYMENT, _payment_row(entry, event)
        case BankPaymentSuspended(reason=reason):
            return _SUSPEND, (reason, id_)
        case BankPaymentAccepted(account=account):
            return _ACCEPT, (account, id_)
        case BankPaymentPosted(account=account, position=position):
            return _POST, (account, position, id_)
        case BankPaymentReversed():
            return _SUSPEND, (Suspense.REVERSED.value, id_)
        case BankPaymentReturned():
            return _RETURN, (id_,)
        case BankPaymentCovered(register_id=register_id):
            return _COVER, (register_id, id_)
        case BankPaymentDiffered() as event:
            row = (event.register_id, event.row, id_, event.amount, event.account)
            return _INSERT_DIFFERENCE, row
        case _:
            return None


def _register_row(entry: Recorded, event: RegisterReceived) -> tuple[Any, ...]:
    return (
        entry.originator_id,
        event.file,
        event.digest,
        event.kind,
        event.bank,
        event.rows,
        event.refused,
        event.total,
        event.fee,
        event.last_day,
        event.by,
        entry.recorded_at,
        entry.position,
    )


def _payment_row(entry: Recorded, event: BankPaymentReceived) -> tuple[Any, ...]:
    return (
        entry.originator_id,
        event.register_id,
        event.row,
        event.bank,
        event.document,
        event.paid_on,
        event.amount,
        event.fee,
        event.account,
        event.account,
        BankState.RECEIVED,
        entry.position,
    )
