"""The pages that a payer sees, and the panel; in Russian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.doubles.yookassa.objects import Payment, instant

#: The code that the page shows, and the one code that is always wrong.
DEMO_CODE: Final = "123456"
WRONG_CODE: Final = "000000"


def _roubles(kopecks: int) -> str:
    return f"{kopecks // 100:,}".replace(",", "\u00a0") + f",{kopecks % 100:02d}\u00a0₽"


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["roubles"] = _roubles
_templates.filters["instant"] = instant


def card_form(payment: Payment, prefix: str, problems: Mapping[str, str] | None = None) -> str:
    """Render the form with card number, expiry and CVC; it never echoes the input."""
    return _templates.get_template("card.html").render(
        payment=payment, prefix=prefix, problems=problems or {}
    )


def code_form(payment: Payment, prefix: str, problems: Mapping[str, str] | None = None) -> str:
    """Render the issuer's 3-D Secure page."""
    return _templates.get_template("code.html").render(
        payment=payment,
        prefix=prefix,
        problems=problems or {},
        demo_code=DEMO_CODE,
        wrong_code=WRONG_CODE,
    )


def message(text: str) -> str:
    """Render a page with one sentence."""
    return _templates.get_template("message.html").render(text=text)


def panel(
    payments: Sequence[Payment], faults: Mapping[str, Any], prefix: str, problem: str = ""
) -> str:
    """Render the panel: the newest payments, and the faults in force."""
    return _templates.get_template("panel.html").render(
        payments=payments, faults=faults, prefix=prefix, problem=problem
    )
