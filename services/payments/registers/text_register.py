"""The text register of a bank: a payment a line, fields by `;`, totals in a line behind `=`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from services.payments.registers import fields as read
from services.payments.registers.bank_payment import Suspense
from services.payments.registers.layouts import COLUMNS, LAYOUTS, Layout, columns_of_header
from services.payments.registers.rows import (
    Found,
    Payment,
    Refused,
    Stated,
    payment_id_of_document,
    payment_id_of_line,
)
from shared.errors import ValidationFailed
from shared.money import Kopecks
from shared.tablefiles import CUT
from shared.tablefiles.formulae import restore
from shared.tablefiles.kinds import REFUSAL
from shared.tablefiles.lines import split_lines
from shared.tablefiles.rows import UnreadableRow, csv_fields

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_EXAMINED: Final = 50
"""Lines in which the layout of a register shows."""
_SHOWN: Final = 1_000
_BLANK: Final = b"; \t\r\x1a"
"""What a row without anything consists of; DOS ends files with the last."""
_TOTALS: Final = re.compile(
    r"=?\s*(?:итого|всего|total)?\s*:?\s*(?P<first>[0-9].*)?", re.IGNORECASE
)

_Same: TypeAlias = tuple[date, str, Kopecks, Kopecks]
"""(day, account, sum, fee): what payments without a document may have in common."""


class _Endings:
    """The last fields of rows: a file that breaks off shows by a shorter one.

    Half of a document's number is the number of another document.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._shortest: int | None = None

    def add(self, field: str) -> None:
        length = self._length(field)
        self._shortest = length if self._shortest is None else min(self._shortest, length)

    def is_cut(self, field: str) -> bool:
        return bool(field.strip()) and self._length(field) < (self._shortest or 0)

    def _length(self, field: str) -> int:
        """Return how long a field is; of a sum, how long its kopecks are."""
        text = field.strip()
        if self._column in ("account", "document"):
            return len(text)
        return len(text.replace(".", ",").partition(",")[2])


class TextRegister:
    """An opened text register."""

    kind = "register"
    columns = COLUMNS

    def __init__(
        self, path: Path, encoding: str, layout: Layout | None = None, bank: str = ""
    ) -> None:
        self._path = path
        self._encoding = encoding
        self._header_row = 0
        self._is_quarantine = False
        self.layout = self._examined(layout)
        self.bank = bank or self.layout.bank

    def rows(self, days: read.DayRange) -> Iterator[Found]:
        """Yield the payments, refused rows and lines of totals; memory does not grow with them."""
        same: Counter[_Same] = Counter()
        endings = _Endings(self.layout.columns[-1])
        for row, raw, flaw in self._lines():
            if row <= self._header_row or not raw.strip(_BLANK) or raw.startswith(b"#"):
                continue
            try:
                found = self._fields(raw)
            except UnreadableRow as error:
                yield self._unreadable(row, raw, str(error))
                continue
            if flaw and flaw != CUT:
                yield self._unreadable(row, raw, flaw)
            elif (totals := _totals(found)) is not None:
                yield self._stated(row, totals)
            elif flaw == CUT and endings.is_cut(found[-1]):
                yield self._unreadable(row, raw, f"{CUT}: its last field is shorter than others")
            else:
                endings.add(found[-1])
                yield self._payment(row, raw, found, days, same)

    def _lines(self) -> Iterator[tuple[int, bytes, str]]:
        with self._path.open("rb") as file:
            start = len(_BYTE_ORDER_MARK) if file.read(3) == _BYTE_ORDER_MARK else 0
            for row, _, _, raw, flaw in split_lines(file, start, 0):
                yield row, raw, flaw

    def _fields(self, raw: bytes) -> list[str]:
        fields = csv_fields(raw, self._encoding)
        return [restore(field) for field in fields] if self._is_quarantine else fields

    def _examined(self, given: Layout | None) -> Layout:
        """Return the layout of the register, by its header or by its first rows."""
        widths = []
        for row, raw, _ in self._lines():
            if not raw.strip(_BLANK) or raw.startswith(b"#"):
                continue
            if row > _EXAMINED:
                break
            with suppress(UnreadableRow):
                fields = csv_fields(raw, self._encoding)
                columns = None if _has_day(fields) else columns_of_header(fields)
                if columns is not None:
                    self._header_row = row
                    self._is_quarantine = REFUSAL in [field.strip() for field in fields]
                    base = given or Layout(columns=())
                    return msgspec.structs.replace(base, columns=columns)
                if given is not None:
                    return given
                widths.append(len(fields))
                for layout in LAYOUTS:
                    trimmed = _trimmed(fields, len(layout.columns))
                    place = layout.columns.index("date")
                    if layout.fits(trimmed) and read.is_day(trimmed[place]):
                        return layout
        if given is not None:
            return given
        raise ValidationFailed("invalid_file", _no_layout(self._path.name, widths))

    def _payment(
        self,
        row: int,
        raw: bytes,
        found: Sequence[str],
        days: read.DayRange,
        same: Counter[_Same],
    ) -> Found:
        width = len(self.layout.columns)
        fields = _trimmed(found, width)
        if len(fields) != width:
            reason = f"the row has {len(fields)} fields, the layout {width}"
            return self._unreadable(row, raw, reason)
        named = dict(zip(self.layout.columns, fields, strict=True))
        texts = {column: named.get(column, "") for column in COLUMNS}
        reasons: list[str] = []

        def parsed(parse: Any, *arguments: Any, default: Any) -> Any:
            try:
                return parse(*arguments)
            except ValueError as error:
                reasons.append(str(error))
                return default

        paid_on = parsed(lambda text: days.check(read.day(text)), texts["date"], default=None)
        amount = parsed(read.paid, texts["amount"], default=None)
        fee = parsed(read.fee, texts["fee"], amount or read.LARGEST, default=0)
        document = parsed(read.document, texts["document"], default="")
        if reasons:
            return Refused(
                row=row,
                fields=tuple(texts.values()),
                reason="; ".join(reasons),
                amount=read.legible(texts["amount"]),
                fee=fee,
            )
        account = read.account(texts["account"])
        if document:
            payment_id = payment_id_of_document(self.bank, paid_on, document)
        else:
            one = (paid_on, account or texts["account"], amount, fee)
            same[one] += 1
            payment_id = payment_id_of_line(self.bank, *one, same[one])
        return Payment(
            payment_id=payment_id,
            row=row,
            bank=self.bank,
            document=document,
            paid_on=paid_on,
            amount=amount,
            fee=fee,
            account=account,
            suspense="" if account else Suspense.NO_ACCOUNT.value,
        )

    def _stated(self, row: int, totals: Sequence[str]) -> Found:
        names = self.layout.footer
        if names[:1] == ("rows",) and totals and not totals[0].strip().isdecimal():
            totals = ["", *totals]
        stated: dict[str, Kopecks] = {}
        try:
            for name, text in zip(names, totals, strict=False):
                if name != "-" and text.strip():
                    stated[name] = (
                        int(text) if name == "rows" else read.total(text, f"total {name}")
                    )
        except ValueError as error:
            raise ValidationFailed(
                "control_totals",
                f"The line of totals of {self._path.name} (row {row}) cannot be read: {error}. "
                "Nothing was imported.",
            ) from None
        return Stated(**stated)

    def _unreadable(self, row: int, raw: bytes, reason: str) -> Refused:
        text = raw.decode(self._encoding, "backslashreplace").rstrip("\r")[:_SHOWN]
        return Refused(row=row, fields=(text, *[""] * (len(COLUMNS) - 1)), reason=reason)


def _totals(fields: Sequence[str]) -> Sequence[str] | None:
    """Return the fields of a line of totals; None for another row."""
    first = fields[0].strip()
    found = _TOTALS.fullmatch(first)
    if not first or found is None or first[0].isdecimal():
        return None
    return [found["first"], *fields[1:]] if found["first"] else list(fields[1:])


def _trimmed(fields: Sequence[str], width: int) -> list[str]:
    """Return the fields without an empty one after the last separator."""
    kept = list(fields)
    while len(kept) > width and not kept[-1].strip():
        kept.pop()
    return kept


def _has_day(fields: Sequence[str]) -> bool:
    return any(map(read.is_day, fields))


def _no_layout(name: str, widths: Sequence[int]) -> str:
    known = "; ".join(f"{layout.name}: {';'.join(layout.columns)}" for layout in LAYOUTS)
    has = f"rows of {max(widths)} fields" if widths else "no rows"
    return (
        f"{name} has {has}, and is of none of the known layouts ({known}). Give it a header line, "
        "or name the file of a layout by --layout."
    )
