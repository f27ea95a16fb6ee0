"""Files of adjustments («перерасчёт»): signed sums by service that correct a month's bill.

Adjacent rows with the same account and ``adjustment_id`` are one adjustment. The id is a UUID, or
the name that the billing centre gave it. Repeating an adjustment has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.correction_effects import adjustment_due, check_billed
from services.ledger.domain import Account
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.tenures import Tenure, key_of_month
from services.ledger.importing import fields as field
from services.ledger.importing.groups import Entry, Group, RowsRefused
from services.ledger.importing.posting import Posting
from services.ledger.importing.replayed_accounts import replayed_accounts
from shared.errors import Conflict, Forbidden, ValidationFailed
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks, format_roubles
from shared.tablefiles import Fields


class Adjustment(Entry, kw_only=True):
    """One correction of one bill; ``amount`` is the signed sum of its lines."""

    adjustment_id: UUID
    period: str
    lines: tuple[ServiceAmount, ...]
    reason: str
    effective_on: date | None


class Adjustments(Posting[Adjustment]):
    """Posts adjustments; one of more than ``limit`` takes two people."""

    at_once = 500

    def __init__(self, today: Callable[[], date], limit: Kopecks | None) -> None:
        super().__init__(today)
        self._limit = limit

    def read(self, group: Group) -> Adjustment:
        """Return the adjustment; raises RowsRefused with all rows that are wrong."""
        account, name, period, _, _, reason, day = group.read[0][1]
        bad, lines = dict[int, str](), []
        for row, (_, _, month, service, amount, *same) in group.read:
            try:
                if [month, *same] != [period, reason, day]:
                    raise ValueError("period, reason or effective_on is not that of the first row")
                kopecks = field.kopecks(amount, "amount")
                lines.append(ServiceAmount(field.service_code(service), kopecks))
            except ValueError as error:
                bad[row] = str(error)
        total = sum(line.amount for line in lines)
        try:
            entry = Adjustment(
                row=group.row,
                last=group.last,
                start=group.start,
                end=group.end,
                rows=group.rows,
                amount=total,
                account=(number := field.account_number(account)),
                adjustment_id=_id_of(number, name),
                period=field.month(period, "period"),
                lines=tuple(lines),
                reason=field.words(reason, "reason", 500, needed=True),
                effective_on=field.day(day, "effective_on") if day else None,
            )
        except ValueError as error:
            bad.setdefault(group.row, str(error))
        if bad:
            raise RowsRefused(bad, total)
        return entry

    def name_of(self, entry: Adjustment) -> str:
        """Return account and id: an adjustment is posted once."""
        return f"{entry.account} {entry.adjustment_id}"

    def name_by_key(self, key: Fields) -> str:
        """Return account and id, however the id is written."""
        account, name = key
        try:
            return f"{account.strip()} {_id_of(account.strip(), name)}"
        except ValueError:
            return super().name_by_key(key)

    def holders_key(self, entry: Adjustment, tenures: Sequence[Tenure]) -> str:
        """Return the key of the account that was charged for the month."""
        return key_of_month(entry.account, entry.period, tenures)

    def load(self, cursor: Any, numbers: Sequence[str]) -> Iterable[Account]:
        """Yield the accounts with their history, which has the corrected bills."""
        return replayed_accounts(cursor, numbers, self.today())

    def must_be_open(self, entry: Adjustment) -> date | None:
        """Return the day of the adjustment; the month that it corrects may be closed."""
        return entry.effective_on or self.today()

    def post(self, account: Account, entry: Adjustment) -> bool:
        """Recalculate the bill, as ``saldo ledger adjust`` does."""
        there = account.adjustments.get(entry.adjustment_id)
        if there is not None:
            same = (there.period, there.lines, there.reason) == (
                entry.period,
                entry.lines,
                entry.reason,
            )
            raise Conflict(
                "posted_already" if same else "posted_otherwise",
                "this adjustment is posted already, with "
                f"{'the same' if same else 'other'} content",
            )
        moved = sum(abs(line.amount) for line in entry.lines)
        if self._limit is not None and moved > self._limit:
            raise Forbidden(
                "second_person_needed",
                f"it moves {format_roubles(moved)} roubles, which takes two people: "
                "saldo ledger adjust",
            )
        on = entry.effective_on or self.today()
        if on > self.today():
            raise ValidationFailed("invalid_day", "an adjustment takes effect today or earlier")
        check_billed(account, entry.period, entry.lines)
        return account.adjust_charges(
            entry.adjustment_id,
            entry.period,
            on,
            entry.lines,
            entry.reason,
            due_on=adjustment_due(account, entry.period, on),
        )


def _id_of(account: str, name: str) -> UUID:
    name = field.words(name, "adjustment_id", 100, needed=True)
    try:
        return UUID(name)
    except ValueError:
        return derived_id(NAMESPACE, "ledger", "adjustment", account, name)
