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


def qr_svg(text: str, *, stroked: bool = False) -> str:
    """Return a text as a QR, an SVG without size or style.

    ``stroked`` draws rows of dark modules as lines, in half the bytes, for pages; typst takes
    filled rectangles twice as fast.
    """
    return out_of_hub(lambda: _drawn(text, stroked))


@lru_cache(maxsize=256)
def _drawn(text: str, stroked: bool) -> str:
    code = segno.make(text, error="m", micro=False, encoding="utf-8", eci=False, mask=MASK)
    path, last_x, last_y = [], 0, 0
    for y, row in enumerate(code.matrix, start=QUIET_ZONE):
        x = QUIET_ZONE
        for dark, modules in groupby(row):
            width = len(list(modules))
            if dark:
                back = "" if stroked else f"v1h-{width}z"
                path.append(f"m{x - last_x} {y - last_y}h{width}{back}")
                last_x, last_y = (x + width if stroked else x), y
            x += width
    size = len(code.matrix) + 2 * QUIET_ZONE
    ink = 'stroke="#000" transform="translate(0 .5)"' if stroked else 'fill="#000"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}">'
        f'<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/>'
        f'<path {ink} d="{"".join(path)}"/></svg>'
    )
