"""Change of a number's holder: opens the next account, closes the former one, moves months.

What was charged after a holder's last month before the change was known is taken back from his
account; what is the next holder's is posted to his. Payments stay where they are: nobody but staff
knows who has paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec

from services.ledger.domain import Account
from services.ledger.domain.events import ChargesAdjusted, ServiceAmount
from services.ledger.domain.tenures import current_key, days_of_month
from services.ledger.limits import STAFF
from services.ledger.loading import load_account
from services.ledger.penalties.calendar import recalculation_due
from services.ledger.penalties.law import law_in_force
from shared import context
from shared.account_key import FIRST, key_of, number_of, tenure_of
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks

_DAY = timedelta(days=1)
TAKEN_BACK = "с {:%d.%m.%Y} у лицевого счёта другой плательщик, начисления перенесены ему"
"""Why a month was moved to the next holder: for staff, the former one sees nothing of it."""
CLOSED = "лицевой счёт закрыт с {:%d.%m.%Y}, начисления сняты"
"""Why a month of no holder was taken back."""
REOPENED = "лицевой счёт закрыт позже, {:%d.%m.%Y}, начисления возвращены"
"""Why a month is charged again that was taken back for an earlier last day."""


class OpenTenure(msgspec.Struct, frozen=True, kw_only=True):
    """Open the account of a number's next holder, from a day on."""

    number: str
    tenure: int
    since: date
    payer_kind: str


class CloseTenure(msgspec.Struct, frozen=True, kw_only=True):
    """Close the account of a number's holder after his last day."""

    number: str
    tenure: int
    until: date


def open_tenure(session: Session, command: OpenTenure) -> None:
    """Open the account of the next holder, and move the months to it that are his.

    The former accounts are closed the day before at the latest. No effect on what was done before.
    """
    key = key_of(command.number, command.tenure)
    account = load_account(session, key)
    if not account.version:
        account.open(key, command.payer_kind, command.since)
    for ordinal in range(FIRST, command.tenure):
        former = load_account(session, key_of(command.number, ordinal))
        if not former.version:
            continue
        if former.closed_on is None:
            former.close(command.since - _DAY)
        _Move(session, former, account, command.since).run()


def close_tenure(session: Session, command: CloseTenure) -> None:
    """Close the account of a holder, and take back the months after his; no effect if repeated.

    Nobody is charged for them before there is a next holder. Raises NotFound ``account_not_found``.
    """
    account = load_account(session, key_of(command.number, command.tenure))
    account.close(command.until)
    _Former(session, account).close(command.until)


def named_key(session: Session, name: str) -> str:
    """Return the key of an account as staff name it.

    A number is its account of now, ``NUMBER-1`` its first one, ``NUMBER-2`` the second.
    """
    number, _, ordinal = name.partition("-")
    if ordinal:
        return key_of(number, int(ordinal))
    return current_key(number, session.read.tenures([number]).get(number, ()))


def meant(session: Session, name: str) -> str:
    """Return the key of an account that a caller names: staff do so otherwise than services."""
    return named_key(session, name) if asked_by_staff() else name


def asked_by_staff() -> bool:
    """Return whether one of the staff asks, and no service for a person."""
    return context.current().actor.startswith(STAFF)


def paid_key(session: Session, payment_id: UUID, name: str) -> str:
    """Return the key of the account that a payment is, or is to be, posted to.

    One that is posted to an account of that number stays there, whoever holds the number by now.
    """
    [key] = paid_keys(session, payment_id, [name])
    return key


def paid_keys(session: Session, payment_id: UUID, names: Sequence[str]) -> list[str]:
    """Return the key of each account that a payment is, or is to be, posted to, as `paid_key`."""
    held = session.read.tenures([name for name in names if "-" not in name])
    # Nearly every number has had one holder: it is the key itself.
    meant = [name if "-" not in name and not held.get(name) else "" for name in names]
    if all(meant):
        return meant
    posted = sorted(str(row["account"]) for row in session.read.postings_of(payment_id))
    return [
        key or _paid_key(named_key(session, name), posted)
        for key, name in zip(meant, names, strict=True)
    ]


def _paid_key(named: str, posted: Sequence[str]) -> str:
    """Return the named account, or the one of its number that a payment is posted to already."""
    same = [key for key in posted if number_of(key) == number_of(named)]
    return named if named in same or not same else same[0]


class _Former:
    """The months of a former account that are no longer its holder's."""

    def __init__(self, session: Session, former: Account) -> None:
        self._former = former
        self._today = session.today
        closed = session.read.closed_through()
        self._first_open = date.min if closed is None else closed + _DAY

    def close(self, until: date) -> None:
        """Take back each month that begins after the last day of the holder; once.

        A month that was taken back for an earlier day than this is charged again.
        """
        for period in sorted(self._former.bills):
            closings, is_later = self._closings(period), days_of_month(period)[0] > until
            if is_later and not _are_off(closings):
                id_ = _closing_id(self._former.number, period, len(closings))
                self._take_back(id_, period, CLOSED.format(until + _DAY))
            elif _are_off(closings) and not is_later:
                self._charge_again(period, closings, REOPENED.format(until))

    def _charge_again(self, period: str, closings: Sequence[ChargesAdjusted], reason: str) -> None:
        """Undo the last closing of the account in a month."""
        id_ = _closing_id(self._former.number, period, len(closings))
        lines = [ServiceAmount(line.service, -line.amount) for line in closings[-1].lines]
        self._adjust(id_, period, lines, reason)

    def _take_back(self, id_: UUID, period: str, reason: str) -> None:
        """Bring a month to nothing."""
        lines = [
            ServiceAmount(service, -amount)
            for service, amount in sorted(self._billed(period).items())
            if amount
        ]
        if lines:
            self._adjust(id_, period, lines, reason)

    def _adjust(self, id_: UUID, period: str, lines: Sequence[ServiceAmount], reason: str) -> None:
        on = max(self._first_open, self._former.bills[period][1].effective_on)
        self._former.adjust_charges(id_, period, on, lines, reason, due_on=self._due(period))

    def _due(self, period: str) -> date:
        """Return until when a moved month is paid in time: nobody is late before he has a bill."""
        own = self._former.bills[period][1].due_on
        if own > self._today:
            return own
        return max(self._today, recalculation_due(self._today, own, law_in_force().rules))

    def _adjustments(self, period: str) -> list[ChargesAdjusted]:
        return [one for one in self._former.adjustments.values() if one.period == period]

    def _closings(self, period: str) -> list[ChargesAdjusted]:
        """Return what closings took back of a month and, each second one, charged again."""
        found = list[ChargesAdjusted]()
        number, adjustments = self._former.number, self._former.adjustments
        while there := adjustments.get(_closing_id(number, period, len(found))):
            found.append(there)
        return found

    def _billed(self, period: str) -> dict[str, Kopecks]:
        """Return what a month comes to by service, below zero where it is money back."""
        sums: dict[str, Kopecks] = {}
        for line in self._former.bills[period][1].lines:
            sums[line.service] = sums.get(line.service, 0) + line.payable
        for adjustment in self._adjustments(period):
            for part in adjustment.lines:
                sums[part.service] = sums.get(part.service, 0) + part.amount
        return sums


class _Move(_Former):
    """Moves the months of a new holder from a former account to his."""

    def __init__(self, session: Session, former: Account, account: Account, since: date) -> None:
        super().__init__(session, former)
        self._account = account
        self._since = since

    def run(self) -> None:
        """Move each month whose last day is the new holder's; once."""
        for period in sorted(self._former.bills):
            if days_of_month(period)[1] >= self._since:
                self._move(period)

    def _move(self, period: str) -> None:
        if self._was_handed_on(period):
            return
        reason, closings = TAKEN_BACK.format(self._since), self._closings(period)
        if _are_off(closings):
            # What names the next holder tells later that the month was handed on.
            self._charge_again(period, closings, reason)
        if period not in self._account.charged_periods:
            self._post(period)
        self._take_back(_moved_id(self._account.number, period), period, reason)

    def _was_handed_on(self, period: str) -> bool:
        """Return whether the former account has given a month to this holder, or to one between.

        Then nothing of it is left there: it moves on from the account that has it now.
        """
        number, last = number_of(self._account.number), tenure_of(self._account.number)
        keys = (key_of(number, ordinal) for ordinal in range(FIRST + 1, last + 1))
        return any(_moved_id(key, period) in self._former.adjustments for key in keys)

    def _post(self, period: str) -> None:
        """Post a month with its adjustments; these keep their ids, so a file adds none twice."""
        _, bill = self._former.bills[period]
        on = max(bill.effective_on, self._since, self._first_open)
        self._account.post_charges(
            period, on, self._due(period), bill.lines, bill_number=bill.bill_number
        )
        closings = self._closings(period)
        for adjustment in self._adjustments(period):
            if adjustment not in closings:
                self._account.adjust_charges(
                    adjustment.adjustment_id,
                    period,
                    max(on, adjustment.effective_on),
                    adjustment.lines,
                    adjustment.reason,
                    due_on=self._due(period),
                )


def _are_off(closings: Sequence[ChargesAdjusted]) -> bool:
    """Return whether a month is taken back by the last of what closings have done to it."""
    return len(closings) % 2 == 1


def _moved_id(key: str, period: str) -> UUID:
    """Return the id of what takes a month back that moves to an account."""
    return derived_id(NAMESPACE, "ledger", "tenure", key, period)


def _closing_id(key: str, period: str, ordinal: int) -> UUID:
    """Return the id of what a closing takes back, or of what undoes it."""
    return derived_id(NAMESPACE, "ledger", "closing", key, period, str(ordinal))
