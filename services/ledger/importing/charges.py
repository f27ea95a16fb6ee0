"""Files of charges: a row for each service of a bill, the rows of a bill adjacent.

``penalty`` is what the billing centre itself has accrued for late payment of that account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from services.ledger.days import DayLimits, day_limits
from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, ChargesPosted, PenaltyAccrued
from services.ledger.domain.tenures import Tenure, key_of_month
from services.ledger.importing import fields as field
from services.ledger.importing.groups import Entry, Group, Refused, RowsRefused
from services.ledger.importing.posting import Posting
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT, Kopecks
from shared.tablefiles import Fields, shown

RULE = "billing-centre"
SAME, OTHER = "posted_already", "posted_otherwise"
_CACHED = 10_000
# A penalty that came with a bill was recorded next to it by the same command.
_POSTED = """
SELECT bill.originator_id, bill.topic, bill.state,
       penalty.topic AS penalty_topic, penalty.state AS penalty
  FROM events AS bill
  LEFT JOIN events AS penalty
    ON penalty.originator_id = bill.originator_id
   AND penalty.originator_version = bill.originator_version + 1
   AND penalty.command_id = bill.command_id
   AND starts_with(penalty.topic, 'ledger.penalty_accrued.')
 WHERE bill.originator_id = ANY (%s)
   AND starts_with(bill.topic, 'ledger.charges_posted.')
   AND position(%s::bytea in bill.state) > 0
"""


class Bill(Entry, kw_only=True):
    """One account's bill of one month; ``amount`` is the sum of what is payable."""

    period: str
    due_on: date
    effective_on: date
    lines: tuple[ChargeLine, ...]
    penalty: Kopecks
    bill_number: str


class Charges(Posting[Bill]):
    """Reads bills and posts them.

    ``missed`` bills are of months that were closed without them: they keep their month, take effect
    today, and are due later.
    """

    at_once = 4_000

    def __init__(self, today: Callable[[], date], *, missed: bool = False) -> None:
        super().__init__(today)
        self._missed = missed
        self._titles: dict[Fields, Fields] = {}

    def read(self, group: Group) -> Bill:
        """Return the bill; raises RowsRefused with all rows that are wrong."""
        first = group.read[0][1]
        head, bill_number = first[:4], first[-1]
        lines, bad, penalty, amount = [], dict[int, str](), 0, 0
        for number, row in group.read:
            try:
                if row[:4] != head:
                    raise ValueError("due_on or effective_on is not that of the bill's first row")
                if row[-1] != bill_number:
                    raise ValueError("bill_number is not that of the bill's first row")
                line, accrued = self._line(row)
            except ValueError as error:
                bad[number] = str(error)
            else:
                lines.append(line)
                penalty += accrued
                amount += line.payable
        try:
            account, period = field.account_number(head[0]), field.month(head[1], "period")
            due_on, effective_on = field.day(head[2], "due_on"), field.day(head[3], "effective_on")
            bill_number = field.words(bill_number, "bill_number", 64)
            if penalty > MAX_AMOUNT:
                raise ValueError("penalty: the sum is more than the largest of one posting")
        except ValueError as error:
            bad.setdefault(group.row, str(error))
        if bad:
            raise RowsRefused(bad, amount)
        return Bill(
            row=group.row,
            last=group.last,
            start=group.start,
            end=group.end,
            rows=group.rows,
            account=account,
            amount=amount,
            period=period,
            due_on=due_on,
            effective_on=effective_on,
            lines=tuple(lines),
            penalty=penalty,
            bill_number=bill_number,
        )

    def name_of(self, entry: Bill) -> str:
        """Return account and month."""
        return f"{entry.account} {entry.period}"

    def holders_key(self, entry: Bill, tenures: Sequence[Tenure]) -> str:
        """Return the key of the holder's account on the last day of the month.

        Raises Conflict ``account_closed`` for a month that began when there was no holder.
        """
        return key_of_month(entry.account, entry.period, tenures)

    def must_be_open(self, entry: Bill) -> date | None:
        """Return the day of the bill or the first of its month, whichever is earlier.

        Of a missed one only the day on which it takes effect must be open.
        """
        if self._missed:
            return self.day
        return min(entry.effective_on, _first_day(entry.period))

    def advice_when_closed(self) -> str:
        """Return how a bill comes into a closed month."""
        return " A bill that was missed is imported with --missed."

    def is_repeated(self, account: Account, entry: Bill) -> bool:
        """Whether the month has its bill already."""
        return entry.period in account.charged_periods

    def post(self, account: Account, entry: Bill) -> bool:
        """Post the bill, and the penalty that came with it."""
        today = self.day
        if self._missed and entry.due_on <= today:
            raise ValidationFailed(
                "invalid_day",
                f"due_on is {entry.due_on}: a missed bill is due after today, so that nobody owes "
                "a penalty for the time before it came",
            )
        _check_days(day_limits(), entry.period, entry.effective_on, entry.due_on, today)
        on = today if self._missed else entry.effective_on
        account.post_charges(
            entry.period,
            on,
            entry.due_on,
            entry.lines,
            bill_number=entry.bill_number,
        )
        if entry.penalty:
            account.accrue_penalty(entry.penalty, on, RULE)
        return True

    def refusals(self, cursor: Any, entries: Sequence[Bill]) -> Iterable[Refused]:
        """Yield for each bill whether the same one is posted, or another one."""
        keyed = list(self.with_keys(cursor, entries))
        posted = dict[tuple[str, str], Bill]()
        for period in {bill.period for bill in entries}:
            mine = [key for bill, key in keyed if bill.period == period and isinstance(key, str)]
            posted |= _posted_bills(cursor, period, mine)
        for bill, key in keyed:
            if isinstance(key, Refused):
                yield key
                continue
            there = posted.get((key, bill.period))
            if there is not None and self._content(there) == self._content(bill):
                yield Refused.because(
                    bill,
                    SAME,
                    f"the bill of {bill.period} is posted already, with the same content",
                )
            else:
                yield Refused.because(
                    bill,
                    OTHER,
                    f"the bill of {bill.period} is posted already, with other content: correct it "
                    "by an adjustment",
                )

    def _content(self, bill: Bill) -> tuple[Any, ...]:
        # A service comes once on a bill, so the order of its lines says nothing.
        lines = sorted(bill.lines, key=lambda line: line.service)
        day = None if self._missed else bill.effective_on
        return bill.due_on, day, lines, bill.penalty, bill.bill_number

    def _line(self, row: Fields) -> tuple[ChargeLine, Kopecks]:
        _, _, _, _, service, name, text, again, less, late, unit, tariff, volume, why, _ = row
        titles = service, name, unit, tariff
        known = self._titles.get(titles) or self._title(titles)
        service, name, unit, tariff = known
        charged = field.kopecks(text, "charged")
        if charged < 0:
            raise ValueError(f"charged: {shown(text)} is negative; money back is a recalculation")
        recalculation = field.kopecks(again, "recalculation") if again else 0
        concession = field.positive(less, "concession") if less else 0
        line = ChargeLine(
            service,
            name,
            charged + recalculation - concession,
            charged,
            recalculation,
            concession,
            unit,
            tariff,
            field.decimal(volume, "volume") if volume else "",
            field.words(why, "explanation", 500) if why else "",
        )
        return line, field.positive(late, "penalty") if late else 0

    def _title(self, titles: Fields) -> Fields:
        # The same few services come on every bill: they are checked once, and kept once.
        service, name, unit, tariff = titles
        if len(self._titles) >= _CACHED:
            self._titles.clear()
        known = (
            field.service_code(service),
            field.words(name, "name", 200, needed=True),
            field.words(unit, "unit", 40),
            field.decimal(tariff.strip(), "tariff"),
        )
        return self._titles.setdefault(titles, known)


@lru_cache(maxsize=1_024)
def _check_days(
    limits: DayLimits, period: str, effective_on: date, due_on: date, today: date
) -> None:
    """Refuse days that no bill can have; nearly all bills of a file have the same."""
    limits.check_bill(_first_day(period), today, f"The first day of {period}")
    limits.check_bill(effective_on, today, "effective_on")
    limits.check_bill(due_on, today, "due_on")


@lru_cache(maxsize=1_024)
def _first_day(period: str) -> date:
    year, month = period.split("-")
    return date(int(year), int(month), 1)


def _posted_bills(cursor: Any, period: str, keys: Sequence[str]) -> dict[tuple[str, str], Bill]:
    """Return the posted bills of a month, as a file would have them."""
    ids = [account_id(key) for key in keys]
    cursor.execute(_POSTED, (ids, f'"period":"{period}"'.encode()))
    found = {}
    for row in cursor.fetchall():
        event: Any = EVENTS.decode(row["topic"], bytes(row["state"]))
        if not isinstance(event, ChargesPosted) or event.period != period:
            continue
        penalty = 0
        if row["penalty"] is not None:
            accrued: Any = EVENTS.decode(row["penalty_topic"], bytes(row["penalty"]))
            if isinstance(accrued, PenaltyAccrued) and accrued.rule == RULE:
                penalty = accrued.amount
        found[event.account, period] = _as_bill(event, penalty)
    return found


def _as_bill(event: ChargesPosted, penalty: Kopecks) -> Bill:
    return Bill(
        row=0,
        last=0,
        start=0,
        end=0,
        rows=len(event.lines),
        account=event.account,
        amount=sum(line.payable for line in event.lines),
        period=event.period,
        due_on=event.due_on,
        effective_on=event.effective_on,
        lines=event.lines,
        penalty=penalty,
        bill_number=event.bill_number,
    )
