"""The QR that a bank reads to pay a bill (ГОСТ Р 56042-2014), and what it says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from itertools import groupby

import segno

from gateway.documents.native_threads import out_of_hub
from gateway.documents.payees import Payee
from shared.money import Kopecks

MASK = 2
"""Any mask can be read; looking for the one that looks best takes seven times as long."""
QUIET_ZONE = 4
"""Light modules around the code, which a reader needs to find it."""
NO_ACCOUNT = "0"
"""What stands for a correspondent account where the bank has none."""


def payment_text(
    payee: Payee,
    *,
    account: str,
    period: str,
    due_on: str,
    amount: Kopecks,
    penalty: Kopecks,
) -> str:
    """Return what the QR of a bill says: UTF-8, ``ST00012|Name=...``.

    ``Sum`` is the debt for services and ``AddAmount`` the penalty that is added to it.
    """
    year, month = period.split("-")
    fields = [
        ("Name", payee.name),
        ("PersonalAcc", payee.account),
        ("BankName", payee.bank),
        ("BIC", payee.bic),
        ("CorrespAcc", payee.correspondent_account or NO_ACCOUNT),
        ("PayeeINN", payee.inn),
        ("KPP", payee.kpp),
        ("Sum", str(amount)),
        ("Purpose", f"{payee.purpose}, л/с {account}, {month}.{year}"),
        ("PersAcc", account),
        ("PaymPeriod", f"{month}{year}"),
        ("PaymTerm", f"{date.fromisoformat(due_on):%d.%m.%Y}"),
        ("AddAmount", str(penalty) if penalty else ""),
    ]
    return "|".join(["ST00012", *_stated(fields)])


def _stated(fields: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{name}={value}" for name, value in fields if value)


def qr_svg(text: str) -> str:
    """Return a text as a QR, an SVG without size or style."""
    return out_of_hub(lambda: _drawn(text))


@lru_cache(maxsize=256)
def _drawn(text: str) -> str:
    """Draw rows of dark modules as filled rectangles: typst takes them twice as fast as strokes."""
    code = segno.make(text, error="m", micro=False, encoding="utf-8", eci=False, mask=MASK)
    path, last_x, last_y = [], 0, 0
    for y, row in enumerate(code.matrix, start=QUIET_ZONE):
        x = QUIET_ZONE
        for dark, modules in groupby(row):
            width = len(list(modules))
            if dark:
                path.append(f"m{x - last_x} {y - last_y}h{width}v1h-{width}z")
                last_x, last_y = x, y
            x += width
    size = len(code.matrix) + 2 * QUIET_ZONE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}">'
        f'<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/>'
        f'<path fill="#000" d="{"".join(path)}"/></svg>'
    )
