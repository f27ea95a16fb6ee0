"""Layouts of text registers: which field of a row is what.

A register with a header line says so itself. For one without, a layout names the columns: one of
those below, or an operator's file (YAML)::

    bank: sber
    columns: [date, "-", "-", document, account, "-", amount, fee]
    footer: [rows, amount, fee]
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from shared.errors import ValidationFailed

SKIPPED: Final = "-"
"""A column that is not read: names, addresses, times."""
COLUMNS: Final = ("date", "amount", "fee", "account", "document")
REQUIRED: Final = ("date", "amount", "account")
FOOTER: Final = ("rows", "amount", "fee")


class Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns of a row, and of the line of totals after its `=`; `bank` owns documents."""

    columns: tuple[str, ...]
    footer: tuple[str, ...] = FOOTER
    bank: str = "bank"
    name: str = ""

    def fits(self, fields: Sequence[str]) -> bool:
        """Return whether a row may be of this layout, by the number of its fields."""
        return len(fields) == len(self.columns)


STANDARD: Final = Layout(name="standard", columns=("date", "amount", "fee", "account", "document"))
_WITHOUT_DOCUMENT = Layout(name="standard", columns=STANDARD.columns[:-1])
_SBER = Layout(
    name="sber",
    bank="sber",
    # Day, time, branch, cashier, operation, account, name, address, period, paid, net, fee.
    columns=(
        "date", "-", "-", "-", "document", "account", "-", "-", "-", "amount", "-", "fee",
    ),
    footer=("rows", "amount", "-", "fee", "-", "-"),
)  # fmt: skip
LAYOUTS: Final = (STANDARD, _WITHOUT_DOCUMENT, _SBER)
"""The layouts that are distinguished by the number of fields."""

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "date": (
        "date", "дата", "дата платежа", "дата операции", "дата оплаты", "дата приема",
        "дата приема платежа",
    ),
    "amount": (
        "amount", "sum", "сумма", "сумма платежа", "сумма операции", "сумма оплаты", "оплачено",
        "принято",
    ),
    "fee": (
        "fee", "комиссия", "комиссия банка", "сумма комиссии", "сумма комиссии банку",
        "вознаграждение", "вознаграждение банка",
    ),
    "account": (
        "account", "лицевой счет", "номер лицевого счета", "№ лицевого счета", "л/с", "лс",
        "лиц. счет", "лиц.счет", "№ л/с", "номер л/с", "счет абонента",
    ),
    "document": (
        "document", "документ", "номер документа", "№ документа", "операция", "номер операции",
        "№ операции", "номер платежа", "№ платежа", "id операции", "уникальный номер операции",
        "квитанция", "номер квитанции",
    ),
}  # fmt: skip
_COLUMN_OF: Final = {name: column for column, names in _NAMES.items() for name in names}


def columns_of_header(fields: Sequence[str]) -> tuple[str, ...] | None:
    """Return the columns that a header line names; None for a line that is no header.

    Raises ValidationFailed `invalid_file` for a header without a column that is needed.
    """
    columns = tuple(_COLUMN_OF.get(_normal(field), SKIPPED) for field in fields)
    named = [column for column in columns if column != SKIPPED]
    if len(named) < 2:  # a single known word may stand in any row
        return None
    if fault := _fault(columns):
        raise ValidationFailed("invalid_file", f"The header of the register {fault}.")
    return columns


def named_layout(name: str) -> Layout:
    """Return a layout by its name, or from an operator's file. Raises ValidationFailed."""
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    path = Path(name)
    try:
        layout = msgspec.yaml.decode(path.read_text("utf-8"), type=Layout)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        names = ", ".join(sorted({layout.name for layout in LAYOUTS}))
        raise ValidationFailed(
            "invalid_layout",
            f"{name} is none of the layouts {names}, and cannot be read as a file of one: {error}",
        ) from None
    fault = _fault(layout.columns)
    unknown = {*layout.columns, *layout.footer} - {*COLUMNS, *FOOTER, SKIPPED}
    if unknown:
        fault = f"has unknown columns: {', '.join(sorted(unknown))}"
    if fault or not layout.bank.strip():
        raise ValidationFailed("invalid_layout", f"The layout {name} {fault or 'names no bank'}.")
    return msgspec.structs.replace(layout, name=path.stem)


def _fault(columns: Sequence[str]) -> str:
    if missing := [column for column in REQUIRED if column not in columns]:
        return f"lacks {', '.join(missing)}"
    twice = sorted({one for one in columns if one != SKIPPED and columns.count(one) > 1})
    return f"has a column twice: {', '.join(twice)}" if twice else ""


def _normal(field: str) -> str:
    """Return a name of a column without case, «ё», surplus spaces, and what stands in brackets."""
    plain = re.sub(r"\(.*?\)|,.*", "", field.casefold().replace("ё", "е"))
    return " ".join(plain.split()).strip(' "\ufeff')
