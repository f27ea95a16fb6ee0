"""The pages that a payer sees, in Russian: card form, his bank's application, code, message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.doubles.acquirer.order import Order

#: The code that the page shows, and the one code that is always wrong.
DEMO_CODE: Final = "123456"
WRONG_CODE: Final = "000000"

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
)


def card_form(order: Order, prefix: str, problems: Mapping[str, str] | None = None) -> str:
    """Render the form with card number, expiry and CVC; it never echoes the input."""
    return templates.get_template("card.html").render(
        order=order, sum=roubles(order.amount), prefix=prefix, problems=problems or {}
    )


def code_form(order: Order, prefix: str, problems: Mapping[str, str] | None = None) -> str:
    """Render the issuer's 3-D Secure page."""
    return templates.get_template("code.html").render(
        order=order,
        sum=roubles(order.amount),
        prefix=prefix,
        problems=problems or {},
        demo_code=DEMO_CODE,
        wrong_code=WRONG_CODE,
    )


def bank_app(order: Order, prefix: str) -> str:
    """Render the application of the payer's bank, which a QR code has opened."""
    return templates.get_template("qr.html").render(
        order=order, sum=roubles(order.amount), prefix=prefix
    )


def message(text: str) -> str:
    """Render a page with one sentence."""
    return templates.get_template("message.html").render(text=text)


def roubles(kopecks: int) -> str:
    """Return an amount as a payer reads it."""
    return f"{kopecks // 100:,}".replace(",", "\u00a0") + f",{kopecks % 100:02d}\u00a0₽"
