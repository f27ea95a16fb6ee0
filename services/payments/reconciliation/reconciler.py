"""One reconciliation: read all sources of a day, compare them, poll what polling may settle."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.payments.acquirers import Acquirer
from services.payments.reconciliation import sources
from services.payments.reconciliation.comparison import Records, compare
from services.payments.reconciliation.findings import (
    BankOrder,
    Finding,
    Kind,
    OurPayment,
    Posting,
    Source,
)
from services.payments.reconciliation.settling import recover_first
from services.payments.reconciliation.sources import Call, Registers
from shared.eventstore import Store

EARLIER_DAYS: Final = 30
"""How many days before are looked at again, for what went back since, or was charged late."""

POLLS: Final = "polls"

Progress: TypeAlias = Callable[[str, int], None]
"""Told what is read, and how many records of it more."""
Poll: TypeAlias = Callable[[UUID, Sequence[str]], None]
"""Asks the acquirer about a payment and its orders of these numbers, and records what it says."""


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """What asking the acquirer at once has come to: the state after, and whether it agrees now."""

    state: str
    settled: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a reconciliation found: of its day, and of the days before; `polled` by payment."""

    findings: Sequence[Finding]
    earlier: Sequence[Finding]
    earlier_orders: int
    polled: Mapping[str, Polled]

    @property
    def differing(self) -> list[Finding]:
        """The findings that do not agree, those of the day first."""
        return [one for one in (*self.findings, *self.earlier) if one.kind is not Kind.MATCHED]


class Reconciler:
    """Compares the sources of a day; `call` asks the ledger, `poll` the acquirer."""

    def __init__(
        self,
        store: Store,
        acquirers: Mapping[str, Acquirer],
        zone: ZoneInfo,
        call: Call,
        poll: Poll,
        registers: Registers,
        progress: Progress = lambda _what, _more: None,
    ) -> None:
        self._store = store
        self._acquirers = acquirers
        self._zone = zone
        self._call = call
        self._poll = poll
        self._registers = registers
        self._progress = progress

    def reconcile(self, day: date) -> Result:
        """Return what agrees and what does not; raises Unavailable for a silent source."""
        findings = compare(self._records_of(day))
        earlier, orders = self._look_back(day)
        known = {one.payment_id for one in findings if one.payment_id}
        earlier = [one for one in earlier if one.payment_id not in known]
        if self._store.query(lambda session: session.read.lost.is_open()):
            findings = [recover_first(one) for one in findings]
            earlier = [recover_first(one) for one in earlier]
        return Result(
            findings=findings,
            earlier=earlier,
            earlier_orders=orders,
            polled=self._poll_all([*findings, *earlier]),
        )

    def _records_of(self, day: date) -> Records:
        ours = {
            one.payment_id: one
            for one in self._store.query(lambda session: sources.ours_of_day(session, day))
        }
        self._progress(Source.ORDERS, len(ours))
        orders = list(self._reported(day, day))
        self._add_by_numbers(ours, orders)
        postings = sources.posted_on(
            self._call, day, lambda more: self._progress(Source.LEDGER, more)
        )
        lines = self._store.query(lambda session: self._registers(session, day))
        self._progress(Source.REGISTER, len(lines))
        of_ledger = {one.payment_id for one in postings}
        self._add_by_ids(ours, of_ledger)
        unread = {one.payment_id for one in ours.values() if one.amount}
        unread |= {line.payment_id for line in lines if line.payment_id}
        postings += sources.posted(self._call, sorted(unread - of_ledger))
        orders += self._other_orders(ours.values(), orders)
        return Records(
            ours=list(ours.values()), orders=orders, postings=_once(postings), lines=lines
        )

    def _reported(self, first: date, last: date) -> Iterator[BankOrder]:
        since, until = sources.instants_of(first, last, self._zone)
        for order in sources.reported(self._acquirers, since, until, self._store.clock):
            self._progress(Source.ACQUIRER, 1)
            yield order

    def _add_by_numbers(self, ours: dict[str, OurPayment], orders: Sequence[BankOrder]) -> None:
        """Add the payments of orders that were charged on the day and captured on no day, or
        another."""
        known = {number for one in ours.values() for number in one.order_numbers}
        wanted = [one.order_number for one in orders if one.order_number not in known]
        for batch in _batches(wanted):
            for found in self._store.query(partial(sources.ours_by_numbers, numbers=batch)):
                ours.setdefault(found.payment_id, found)

    def _add_by_ids(self, ours: dict[str, OurPayment], payment_ids: set[str]) -> None:
        for batch in _batches(sorted(payment_ids - ours.keys())):
            for found in self._store.query(partial(sources.ours_by_ids, payment_ids=batch)):
                ours.setdefault(found.payment_id, found)

    def _other_orders(
        self, ours: Collection[OurPayment], reported: Sequence[BankOrder]
    ) -> list[BankOrder]:
        """Ask for the orders that the report of the day does not have: charged on another day."""
        known = {order.order_number for order in reported}
        asked = [one.payment_id for one in ours if not known.issuperset(one.order_numbers)]
        found: list[BankOrder] = []
        for batch in _batches(asked):
            for row in self._store.query(partial(sources.orders_of, payment_ids=batch)):
                if row["order_number"] not in known:
                    self._progress(Source.ACQUIRER, 1)
                    order = sources.order_of(self._acquirers, row, self._store.clock)
                    found += [order] if order else []
        return found

    # The days before

    def _look_back(self, day: date) -> tuple[list[Finding], int]:
        """Compare the orders of the days before with the acquirers alone."""
        first, last = day - timedelta(days=EARLIER_DAYS), day - timedelta(days=1)
        suspects: dict[str, OurPayment] = {}
        strangers: list[Finding] = []
        batch: list[BankOrder] = []
        count = 0
        for order in self._reported(first, last):
            count += 1
            batch.append(order)
            if len(batch) == sources.BATCH:
                strangers += self._suspect(batch, suspects)
                batch = []
        strangers += self._suspect(batch, suspects)
        # Asked again with all of their orders, which may have been in another batch.
        again = Records(
            ours=list(suspects.values()), orders=self._other_orders(suspects.values(), ())
        )
        found = compare(again, {Source.ACQUIRER})
        return [*strangers, *(one for one in found if one.differences)], count

    def _suspect(
        self, orders: Sequence[BankOrder], suspects: dict[str, OurPayment]
    ) -> list[Finding]:
        """Note the payments that differ from these orders; return the orders that are not ours."""
        ours = dict[str, OurPayment]()
        self._add_by_numbers(ours, orders)
        found = compare(Records(ours=list(ours.values()), orders=orders), {Source.ACQUIRER})
        suspects |= {one.ours.payment_id: one.ours for one in found if one.ours and one.differences}
        return [one for one in found if one.ours is None and one.differences]

    # Polling

    def _poll_all(self, findings: Sequence[Finding]) -> dict[str, Polled]:
        """Poll what asking the acquirer may settle, at once; return what it came to."""
        polled = {}
        for finding in findings:
            payment_id = finding.payment_id
            if finding.ours is None or payment_id is None or not finding.polls:
                continue
            self._progress(POLLS, 1)
            self._poll(UUID(payment_id), [order.order_number for order in finding.orders])
            [after] = self._store.query(partial(sources.ours_by_ids, payment_ids=[payment_id]))
            records = Records(ours=[after], orders=self._other_orders([after], ()))
            [now] = compare(records, {Source.ACQUIRER})
            polled[payment_id] = Polled(state=after.state, settled=not now.differences)
        return polled


def _once(postings: Sequence[Posting]) -> list[Posting]:
    return list(dict.fromkeys(postings))


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(items), sources.BATCH):
        yield items[begin : begin + sources.BATCH]
