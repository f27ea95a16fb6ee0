"""The statement of 1C, `1CClientBankExchange`: documents of keys and values, a line each.

Of its documents those count that brought money to our settlement accounts. See
https://v8.1c.ru/tekhnologii/obmen-dannymi-i-integratsiya/standarty-i-formaty/
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from services.payments.registers import fields as read
from services.payments.registers.account_numbers import account_in
from services.payments.registers.rows import (
    Found,
    Payment,
    Refused,
    Seal,
    Skipped,
    Stated,
    payment_id_of,
)
from shared.errors import ValidationFailed
from shared.money import Kopecks
from shared.tablefiles.lines import split_lines

MAGIC: Final = "1CClientBankExchange"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MAX_KEYS: Final = 200
_MAX_VALUE: Final = 4_000
_OPEN, _CLOSE, _END = "СекцияДокумент", "КонецДокумента", "КонецФайла"
_ACCOUNT_OPEN, _ACCOUNT_CLOSE = "СекцияРасчСчет", "КонецРасчСчет"
_PAYEE: Final = ("ПолучательСчет", "ПолучательРасчСчет")
_PAYER: Final = ("ПлательщикСчет", "ПлательщикРасчСчет")
_PURPOSE: Final = re.compile("НазначениеПлатежа[0-9]?")

_Document = tuple[int, dict[str, str], str]
"""(row where it begins, its keys and values, its flaw)."""


class Statement:
    """An opened statement; `ours` are our settlement accounts, those it names itself if empty."""

    kind = "1c"
    columns = ("date", "amount", "document")

    def __init__(
        self, path: Path, encoding: str, seal: Seal, ours: Collection[str] = (), bank: str = ""
    ) -> None:
        self._path = path
        self._encoding = encoding
        self._seal = seal
        self._bank = bank
        named, self._received = self._accounts()
        self.ours = frozenset(ours) or named
        self.bank = bank or "1c"
        if not self.ours:
            raise ValidationFailed(
                "invalid_file",
                f"{path.name} does not say whose statement it is: set "
                "SALDO_PAYMENTS_SETTLEMENT_ACCOUNTS to our settlement accounts.",
            )
        if named and not named & self.ours:
            raise ValidationFailed(
                "invalid_file",
                f"{path.name} is a statement of another settlement account than ours "
                "(SALDO_PAYMENTS_SETTLEMENT_ACCOUNTS, or those of SALDO_PAYEES).",
            )

    def rows(self, days: read.DayRange) -> Iterator[Found]:
        """Yield the payments, what is refused or no payment to us, and the totals of the bank."""
        for row, keys, flaw in self._documents():
            if flaw:
                yield Refused(row=row, fields=("", "", ""), reason=flaw)
            elif not self._ours_in(keys, _PAYEE):
                yield Skipped(row=row)
            elif self._ours_in(keys, _PAYER):
                yield Skipped(row=row, amount=read.legible(keys.get("Сумма", "")) or 0)
            else:
                yield self._payment(row, keys, days)
        stated = [self._received[one] for one in self.ours if one in self._received]
        if stated:
            yield Stated(amount=sum(stated))

    def _payment(self, row: int, keys: Mapping[str, str], days: read.DayRange) -> Found:
        reasons: list[str] = []

        def parsed(parse: Any, text: str) -> Any:
            try:
                return parse(text)
            except ValueError as error:
                reasons.append(str(error))
                return None

        written = keys.get("Дата", "")
        arrived = keys.get("ДатаПоступило", "").strip() or written
        paid_on = parsed(lambda text: days.check(read.day(text)), arrived)
        made_on = parsed(read.day, written or arrived)
        amount = parsed(read.paid, keys.get("Сумма", ""))
        document = parsed(read.document, keys.get("Номер", "")) or ""
        if not document and not reasons:
            reasons.append("document: is empty")
        if reasons:
            fields = (arrived, keys.get("Сумма", ""), document)
            legible = read.legible(keys.get("Сумма", ""))
            return Refused(row=row, fields=fields, reason="; ".join(reasons), amount=legible)
        account, suspense = account_in(self._purpose(keys))
        payer = "\x1f".join(
            keys.get(key, "").strip() for key in ("ПлательщикБИК", *_PAYER, "ПлательщикИНН")
        )
        payee = self._ours_in(keys, _PAYEE)
        return Payment(
            payment_id=payment_id_of(payee, "1c", made_on.isoformat(), document, self._seal(payer)),
            row=row,
            bank=self._bank or keys.get("ПолучательБИК", "").strip() or self.bank,
            document=document,
            paid_on=paid_on,
            amount=amount,
            fee=0,
            account=account,
            suspense=suspense,
        )

    def _ours_in(self, keys: Mapping[str, str], names: Collection[str]) -> str:
        found = (keys.get(name, "").strip() for name in names)
        return next((one for one in found if one in self.ours), "")

    @staticmethod
    def _purpose(keys: Mapping[str, str]) -> str:
        return " ".join(keys[key] for key in sorted(keys) if _PURPOSE.fullmatch(key))

    def _documents(self) -> Iterator[_Document]:
        """Yield the documents. Raises ValidationFailed for a file that breaks off."""
        keys: dict[str, str] | None = None
        begun, flaw, is_ended = 0, "", False
        for row, text, broken in self._lines():
            key, _, value = text.partition("=")
            key = key.strip()
            if key == _OPEN:
                if keys is not None:
                    yield begun, keys, "the document is not closed"
                keys, begun, flaw = {}, row, ""
            elif keys is None:
                is_ended = is_ended or key == _END
            elif key == _CLOSE:
                yield begun, keys, flaw
                keys = None
            elif broken or len(value) > _MAX_VALUE or len(keys) >= _MAX_KEYS:
                flaw = broken or "the document has too many or too long values"
            elif key in keys and keys[key] != value:
                flaw = f"the document has {key} twice" if key in _KNOWN else flaw
            else:
                keys[key] = value.strip()
        if keys is not None or not is_ended:
            raise ValidationFailed(
                "invalid_file",
                f"{self._path.name} breaks off: it has no {_END}. Nothing was imported; have the "
                "bank's program write it again.",
            )

    def _accounts(self) -> tuple[frozenset[str], dict[str, Kopecks]]:
        """Return the accounts that the statement is of, and what it says each received."""
        named: set[str] = set()
        received: dict[str, Kopecks] = {}
        inside, account, is_document = False, "", False
        for _, text, _ in self._lines():
            key, _, value = text.partition("=")
            key, value = key.strip(), value.strip()
            if key in (_OPEN, _CLOSE):
                is_document = key == _OPEN
            elif is_document:
                continue
            elif key in (_ACCOUNT_OPEN, _ACCOUNT_CLOSE):
                inside, account = key == _ACCOUNT_OPEN, ""
            elif key == "РасчСчет" and value:
                named.add(value)
                account = value
            elif key == "ВсегоПоступило" and inside and account and value:
                received[account] = received.get(account, 0) + self._stated(value)
        return frozenset(named), received

    def _stated(self, text: str) -> Kopecks:
        try:
            return read.total(text, "ВсегоПоступило")
        except ValueError as error:
            raise ValidationFailed("invalid_file", f"{self._path.name}: {error}.") from None

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        """Yield (row, text, why it cannot be read)."""
        with self._path.open("rb") as file:
            start = len(_BYTE_ORDER_MARK) if file.read(3) == _BYTE_ORDER_MARK else 0
            for row, _, _, raw, flaw in split_lines(file, start, 0):
                long = flaw if flaw.startswith("the row") else ""
                try:
                    yield row, raw.decode(self._encoding).rstrip("\r\x1a"), long
                except UnicodeDecodeError:
                    text = raw.decode(self._encoding, "replace")
                    yield row, text, f"row {row} is no {self._encoding} text"


_KNOWN: Final = frozenset(
    {"Номер", "Дата", "Сумма", "ДатаПоступило", *_PAYEE, *_PAYER, "НазначениеПлатежа"}
)
"""A second value of one of these would leave open which holds."""
