"""«От нуля до квитанции»: the commands of ``first_receipt.sh``, for the page that prints them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def commands() -> tuple[str, ...]:
    """Return the commands in their order; an empty line stands between two of them."""
    text = files("gateway.cabinet").joinpath("first_receipt.sh").read_text(encoding="utf-8")
    return tuple(text.strip().split("\n\n"))
