"""How people type the number of a personal account, read the same way everywhere.

Spaces of any kind, hyphens, full-width digits and letters that look like digits are forgiven;
nothing is guessed: what holds anything else is no number.
"""

from __future__ import annotations

import re
import unicodedata

ELS_CHARACTERS = 10
"""The length of an ЕЛС, the single personal account of ГИС ЖКХ: ``51АД600037``."""
MAX_TYPED = 64
"""The longest text that is read as a number; longer ones are none."""

_SEPARATORS = re.compile(r"[\s\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2212\ufeff.№-]")
_DIGIT_LOOK_ALIKES = str.maketrans("OoОоlI|", "0000111")
"""Letters for digits, where only digits can be meant: O and l, Latin and Cyrillic."""
_NUMBER = re.compile(r"[0-9]{1,20}")
_ELS = re.compile(r"[0-9]{2}[А-ЯЁ]{2}[0-9]{6}")
_CYRILLIC_LOOK_ALIKES = str.maketrans("ABCEHKMOPTXY", "АВСЕНКМОРТХУ")


def clean_number(text: str) -> str | None:
    """Return the digits of an account number as typed, None when it is not one (S12).

    An ЕЛС whose letters look like digits is none: ``51ОО600037``.
    """
    typed = compact(text)
    if _ELS.fullmatch(_with_cyrillic(typed)):
        return None
    found = typed.translate(_DIGIT_LOOK_ALIKES)
    return found if _NUMBER.fullmatch(found) else None


def clean_els(text: str) -> str | None:
    """Return an ЕЛС as typed in the spelling of the registry, None when it is not one.

    Its two letters are Cyrillic, and may be typed as Latin ones that look like them.
    """
    found = compact(text)
    if len(found) != ELS_CHARACTERS:
        return None
    digits = found.translate(_DIGIT_LOOK_ALIKES)
    els = _with_cyrillic(digits[:2] + found[2:4] + digits[4:])
    return els if _ELS.fullmatch(els) else None


def _with_cyrillic(typed: str) -> str:
    """Return a text with the letters of an ЕЛС, its third and fourth characters, in Cyrillic."""
    return typed[:2] + typed[2:4].upper().translate(_CYRILLIC_LOOK_ALIKES) + typed[4:]


def compact(text: str) -> str:
    """Return a text in ordinary characters, without spaces, hyphens, full stops and №."""
    if len(text) > MAX_TYPED:
        return ""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", _SEPARATORS.sub("", text)))
