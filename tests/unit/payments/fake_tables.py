"""The tables of payments as dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.payments.events import (
    LineMoved,
    LinePosted,
    MismatchFound,
    MoneyReturned,
    OrderLost,
    OrderRegistered,
    OutcomePending,
    OutcomeUnknown,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
    PaymentStarted,
    RefundPosted,
    RefundProposed,
    RefundRefused,
    RefundRejected,
    RefundRequested,
    Split,
)
from services.payments.state import OPEN
from shared.account_key import number_of
from shared.eventstore import Aggregate, Recorded

Row = dict[str, Any]


class FakePollSchedule:
    """The table `polls`."""

    def __init__(self, payments: dict[UUID, Row]) -> None:
        self.rows: dict[UUID, Row] = {}
        self._payments = payments

    def put(
        self, payment_id: UUID, since: datetime, attempts: int, due_at: Any, outcome: str
    ) -> None:
        claimed = self.rows.get(payment_id, {}).get("claimed_until")
        self.rows[payment_id] = {
            "since": since,
            "attempts": attempts,
            "due_at": due_at,
            "outcome": outcome,
            "claimed_until": claimed,
        }

    def find(self, payment_id: UUID) -> Row | None:
        return self.rows.get(payment_id)

    def record_outcome(self, payment_id: UUID, outcome: str) -> None:
        if payment_id in self.rows:
            self.rows[payment_id]["outcome"] = outcome

    def due(self, now: datetime, limit: int) -> list[Row]:
        due = [
            (row["due_at"], payment_id)
            for payment_id, row in self.rows.items()
            if row["due_at"] is not None and row["due_at"] <= now
        ]
        return [self._payments[payment_id] for _, payment_id in sorted(due)[:limit]]

    def ask_soon(self, payment_id: UUID, at: datetime, outcome: str) -> None:
        row = self.rows.get(payment_id)
        if row is None:
            self.put(payment_id, at, 0, at, outcome)
        else:
            row |= {"since": at, "attempts": 0, "due_at": min(row["due_at"] or at, at)}

    def hasten(self, acquirers: Sequence[str], now: datetime) -> int:
        found = [
            row
            for payment_id, row in self.rows.items()
            if self._payments[payment_id]["acquirer"] in acquirers
            and row["outcome"] in {"unknown", "absent"}
            and (row["due_at"] is None or row["due_at"] > now)
        ]
        for row in found:
            row["due_at"] = now
        return len(found)

    def claim(self, payment_id: UUID, now: datetime, until: datetime) -> bool:
        row = self.rows.get(payment_id)
        if row is None or (row["claimed_until"] is not None and row["claimed_until"] > now):
            return False
        row["claimed_until"] = until
        return True

    def release(self, payment_id: UUID, until: datetime) -> None:
        if payment_id in self.rows and self.rows[payment_id]["claimed_until"] == until:
            self.rows[payment_id]["claimed_until"] = None

    def remove(self, payment_id: UUID) -> None:
        self.rows.pop(payment_id, None)


class FakeRefundTable:
    """The table `refunds`."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Row] = {}

    def project(self, entry: Recorded) -> bool:
        match entry.event:
            case RefundProposed() | RefundRequested() as event:
                requested = isinstance(event, RefundRequested)
                proposer = event.proposed_by if isinstance(event, RefundRequested) else ""
                self.rows[event.refund_id] = _refund(entry, event) | {
                    "state": "requested" if requested else "proposed",
                    "cause": "staff",
                    "reason": event.reason,
                    "by": proposer or event.by,
                    "decided_by": event.by if proposer else "",
                    "due_at": entry.recorded_at if requested else None,
                }
            case RefundRejected(refund_id=refund_id, by=by):
                self.rows[refund_id] |= {"state": "rejected", "decided_by": by}
            case RefundRefused(refund_id=refund_id, reason=reason):
                self.rows[refund_id] |= {"state": "refused", "refusal": reason, "due_at": None}
            case RefundPosted(refund_id=refund_id, account=account):
                self.rows[refund_id]["posted"].append(account)
            case _:
                return False
        return True

    def return_money(self, entry: Recorded, event: MoneyReturned) -> None:
        row = self.rows.setdefault(
            event.refund_id, _refund(entry, event) | {"cause": event.cause, "reason": ""}
        )
        row |= {"state": "made", "due_at": None, "returned_at": event.returned_at}

    def of_payments(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
        found: dict[UUID, list[Row]] = {}
        for row in self.rows.values():
            if row["payment_id"] in payment_ids:
                found.setdefault(row["payment_id"], []).append(row)
        return found

    def find(self, refund_id: UUID) -> Row | None:
        return self.rows.get(refund_id)

    def due(self, now: datetime, limit: int) -> list[Row]:
        oldest: dict[UUID, Row] = {}
        for row in self.rows.values():
            if row["state"] == "requested":
                oldest.setdefault(row["payment_id"], row)
        due = [row for row in oldest.values() if row["due_at"] and row["due_at"] <= now]
        return sorted(due, key=lambda row: row["due_at"])[:limit]

    def postpone(self, refund_id: UUID, due_at: datetime) -> None:
        if self.rows[refund_id]["state"] == "requested":
            self.rows[refund_id]["due_at"] = due_at

    def send(self, refund_id: UUID, now: datetime, before: datetime, due_at: datetime) -> bool:
        row = self.rows[refund_id]
        if row["state"] != "requested" or (row["sent_at"] and row["sent_at"] >= before):
            return False
        row |= {"sent_at": now, "due_at": due_at}
        return True


class FakeRegisters:
    """The tables of bank registers: empty."""

    def payment(self, payment_id: UUID) -> Row | None:
        return None


class FakeClosedAccounts:
    """The table `closed_accounts`."""

    def __init__(self, tables: FakeReadModel) -> None:
        self.rows: dict[str, datetime] = {}
        self._tables = tables

    def add(self, account: str, now: datetime) -> None:
        self.rows.setdefault(account, now)

    def open_payments(self, limit: int, *, after: int = 0) -> list[Row]:
        lines = self._tables.payment_lines
        found = [
            row
            for payment_id, row in self._tables.payments.items()
            if row["state"] in {"created", "awaiting_payment", "unknown"}
            and row["position"] > after
            and any(line["account"] in self.rows for line in lines[payment_id])
        ]
        return found[:limit]

    def forget(self, before: datetime) -> None:
        self.rows = {account: at for account, at in self.rows.items() if at >= before}


class FakeLostLog:
    """What a restore took; `opened`: nobody has brought it back yet."""

    opened = False

    def is_open(self) -> bool:
        return self.opened


class FakeReadModel:
    """The tables of payments."""

    def __init__(self) -> None:
        self.payments: dict[UUID, Row] = {}
        self.payment_lines: dict[UUID, list[Row]] = {}
        self.order_rows: dict[str, Row] = {}
        self.polls = FakePollSchedule(self.payments)
        self.refunds = FakeRefundTable()
        self.registers = FakeRegisters()
        self.closed_accounts = FakeClosedAccounts(self)
        self.lost = FakeLostLog()

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            if isinstance(entry.event, PaymentStarted):
                self._insert(entry, entry.event)
            elif isinstance(entry.event, MoneyReturned):
                self._return(entry, entry.event)
            elif not self.refunds.project(entry):
                self._change(self.payments[entry.originator_id], entry.event)

    def _insert(self, entry: Recorded, started: PaymentStarted) -> None:
        self.payments[entry.originator_id] = {
            "payment_id": entry.originator_id,
            "person_id": started.person_id,
            "order_number": started.order_number,
            "acquirer": started.acquirer,
            "acquirer_order_id": None,
            "form_url": None,
            "state": "created",
            "total": started.total,
            "charged": None,
            "refunded": 0,
            "created_at": entry.recorded_at,
            "captured_at": None,
            "paid_on": None,
            "masked_card": None,
            "failure": None,
            "position": entry.position,
        }
        self._put_lines(entry.originator_id, started.lines)
        self._add_order(entry.originator_id, started.order_number, started.acquirer)

    def _put_lines(self, payment_id: UUID, lines: Split) -> None:
        self.payment_lines[payment_id] = [
            msgspec.to_builtins(line) | {"posted": False, "refunded": 0, "moved_to": None}
            for line in lines
        ]

    def _add_order(self, payment_id: UUID, number: str, acquirer: str) -> None:
        self.order_rows[number] = {
            "order_number": number,
            "payment_id": payment_id,
            "acquirer": acquirer,
            "order_id": None,
            "lost": False,
            "asked_at": None,
            "capturing_at": None,
        }

    def _return(self, entry: Recorded, event: MoneyReturned) -> None:
        self.refunds.return_money(entry, event)
        row = self.payments[entry.originator_id]
        row["refunded"] += event.total
        if row["captured_at"]:
            row["state"] = "refunded" if event.whole else "partly_refunded"
        for part in event.lines:
            for line in self.payment_lines[entry.originator_id]:
                if (line["moved_to"] or line["account"]) == part.account:
                    line["refunded"] += part.amount

    def _change(self, row: Row, event: Any) -> None:  # noqa: PLR0912 - one case for each event
        match event:
            case OrderRegistered(acquirer_order_id=order_id, form_url=form_url):
                row |= {"state": "awaiting_payment"}
                row |= {"acquirer_order_id": order_id, "form_url": form_url}
                self.order_rows[row["order_number"]]["order_id"] = order_id
            case OrderLost():
                self.order_rows[event.order_number]["lost"] = True
                row |= {"order_number": event.next_number, "acquirer": event.acquirer}
                row |= {"acquirer_order_id": None, "form_url": None}
                self._add_order(row["payment_id"], event.next_number, event.acquirer)
            case OutcomeUnknown():
                row |= {"state": "unknown"}
            case OutcomePending():
                row |= {"state": "awaiting_payment"}
            case MismatchFound(charged=charged):
                row |= {"state": "mismatch", "charged": charged}
            case PaymentCaptured():
                row |= {"state": "captured", "captured_at": event.captured_at}
                row |= {"paid_on": event.paid_on, "masked_card": event.masked_card}
                row |= {"failure": None, "charged": event.amount, "total": event.amount}
                self._put_lines(row["payment_id"], event.lines)
                self._make_current(row, event.order_number)
            case PaymentFailed(reason=reason):
                row |= {"state": "failed", "failure": reason}
            case PaymentExpired():
                row |= {"state": "expired", "failure": "expired"}
            case LinePosted(account=account):
                for line in self.payment_lines[row["payment_id"]]:
                    line["posted"] = line["posted"] or line["account"] == account
            case LineMoved(account=account, to=to):
                for line in self.payment_lines[row["payment_id"]]:
                    if line["account"] == account:
                        line["moved_to"] = to
            case PaymentCompleted():
                if row["state"] == "captured":
                    row |= {"state": "completed"}

    # Queries

    def hold_person(self, person_id: UUID) -> None:
        """Nobody else is here."""

    def _make_current(self, row: Row, order_number: str) -> None:
        order = self.order_rows.get(order_number)
        if order is not None and order["lost"]:
            row |= {"order_number": order_number, "acquirer": order["acquirer"]}
            row |= {"acquirer_order_id": order["order_id"]}

    def payments_in_the_way(self, person_id: UUID) -> list[Row]:
        return [
            self._with_poll(row)
            for row in self.payments.values()
            if row["person_id"] == person_id and row["state"] in {*OPEN, "captured"}
        ]

    def replaced_and_open(self, person_id: UUID) -> int:
        return sum(
            self.payments[payment_id]["person_id"] == person_id
            and self.payments[payment_id]["failure"] == "replaced"
            for payment_id in self.polls.rows
        )

    def declined(self, person_id: UUID, accounts: Iterable[str]) -> list[Row]:
        wanted = set(accounts)
        return [
            self._with_poll(row)
            for payment_id, row in self.payments.items()
            if row["person_id"] == person_id
            and row["failure"] == "declined"
            and (self.polls.find(payment_id) or {}).get("outcome") == "declined"
            and wanted & {line["account"] for line in self.payment_lines[payment_id]}
        ]

    def lock_order(self, order_number: str) -> bool:
        return self.order_rows[order_number]["capturing_at"] is not None

    def note_capture(self, order_number: str, now: datetime) -> None:
        self.order_rows[order_number]["capturing_at"] = now

    def payment(self, payment_id: UUID) -> Row | None:
        row = self.payments.get(payment_id)
        return None if row is None else self._with_poll(row)

    def _with_poll(self, row: Row) -> Row:
        poll = self.polls.find(row["payment_id"]) or {"outcome": None, "due_at": None}
        return row | {"outcome": poll["outcome"], "next_check_at": poll["due_at"]}

    def shown(self, payment_id: UUID) -> Row | None:
        row = self.payments.get(payment_id)
        if row is None:
            return None
        poll = self.polls.find(payment_id) or {"claimed_until": None}
        return self._with_poll(row) | {
            "claimed_until": poll["claimed_until"],
            "asked_at": self.order_rows[row["order_number"]]["asked_at"],
            "lines": self.lines([payment_id]).get(payment_id),
            "has_refunds": bool(self.refunds.of_payments([payment_id])),
        }

    def payment_by_order(self, order_number: str, order_id: str = "") -> Row | None:
        for order in self.order_rows.values():
            if order["order_number"] == order_number or (
                order_id and order["order_id"] == order_id
            ):
                return self._by_order(order)
        return None

    def payments_by_orders(self, numbers: Iterable[str]) -> dict[str, Row]:
        return {
            number: self._by_order(self.order_rows[number])
            for number in numbers
            if number in self.order_rows
        }

    def _by_order(self, order: Row) -> Row:
        return self.payments[order["payment_id"]] | {
            "number": order["order_number"],
            "at": order["acquirer"],
            "lost": order["lost"],
        }

    def orders(self, payment_id: UUID) -> list[Row]:
        return [row for row in self.order_rows.values() if row["payment_id"] == payment_id]

    def may_ask(self, order_number: str, now: datetime, since: datetime) -> bool:
        order = self.order_rows[order_number]
        if order["asked_at"] is not None and order["asked_at"] >= since:
            return False
        order["asked_at"] = now
        return True

    def payments_of(
        self, person_id: UUID, before: int | None, limit: int, **chosen: Any
    ) -> list[Row]:
        own = [
            self._with_poll(row)
            for row in self._chosen(person_id, **chosen)
            if before is None or row["position"] < before
        ]
        return sorted(own, key=lambda row: -row["position"])[:limit]

    def totals_of(self, person_id: UUID, **chosen: Any) -> Row:
        rows = self._chosen(person_id, **chosen)
        captured = [row for row in rows if row["captured_at"]]
        return {
            "count": len(rows),
            "paid": sum(row["total"] for row in captured),
            "refunded": sum(row["refunded"] for row in captured),
        }

    def _chosen(
        self,
        person_id: UUID,
        account: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] | None = None,
    ) -> list[Row]:
        return [
            row
            for row in self.payments.values()
            if row["person_id"] == person_id
            and (since is None or row["created_at"] >= since)
            and (until is None or row["created_at"] < until)
            and (states is None or row["state"] in states)
            and (
                account is None
                or account
                in {number_of(line["account"]) for line in self.payment_lines[row["payment_id"]]}
            )
        ]

    def lines(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
        return {
            payment_id: self.payment_lines[payment_id]
            for payment_id in payment_ids
            if payment_id in self.payment_lines
        }


def _refund(entry: Recorded, event: Any) -> Row:
    return {
        "refund_id": event.refund_id,
        "payment_id": entry.originator_id,
        "lines": msgspec.to_builtins(list(event.lines)),
        "total": event.total,
        "requested_at": entry.recorded_at,
        "returned_at": None,
        "posted": [],
        "refusal": "",
        "due_at": None,
        "sent_at": None,
    }
