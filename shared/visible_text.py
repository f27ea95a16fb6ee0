"""Characters without a shape of their own: they control a terminal, or deceive who reads.

Names, reasons and questions are written by others. Raw in a terminal, in a log, or in the subject
of a letter, they could move the cursor, change the title of a window, or show an amount the other
way round.
"""

from __future__ import annotations

import re
from unicodedata import category

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_FORMATS = (
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEPARATORS = r"\u2028\u2029"
_FILLERS = r"\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_SURROGATES = r"\ud800-\udfff"

SHAPELESS = re.compile(f"[{_CONTROLS}{_FORMATS}{_SEPARATORS}{_FILLERS}{_SURROGATES}]")
"""Everything but the line feed and the tab that a terminal obeys, or that nobody sees."""

_DECEIVING = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Joiners belong to words of some scripts and to emoji; they turn nothing round.
_REMOVED = re.compile(f"(?![\u200c\u200d])[{_FORMATS}{_FILLERS}]")
_REFUSED = re.compile(f"[{_CONTROLS}{_SURROGATES}]")


def visible(text: str) -> str:
    r"""Return a text with its shapeless characters written out, as ``\u202e``."""
    return SHAPELESS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_json(encoded: str) -> str:
    """Return JSON of the same value, whose shapeless characters are escaped."""
    if encoded.isascii() and encoded.isprintable():
        return encoded
    return SHAPELESS.sub(_json_escape, encoded)


def harmless(text: str) -> str:
    """Return a text to print in a page or a letter, without controls and marks of direction.

    The rest of what is shapeless has no power there, and belongs to words.
    """
    return _DECEIVING.sub("", text)


def has_signs(text: str) -> bool:
    """Return whether a text has a letter, a digit or another sign, not only marks on nothing."""
    return any(category(character)[0] in "LNPS" for character in text)


def without_shapeless(text: str) -> str | None:
    """Return a text with line feeds alone, without what nobody sees; None for a control character.

    Text from a document brings soft hyphens, marks of direction and ends of pages along; an escape
    character is nobody's writing.
    """
    clean = _REMOVED.sub("", _LINE_ENDS.sub("\n", text))
    return None if _REFUSED.search(clean) else clean


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
