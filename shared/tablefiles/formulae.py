"""Formulae in text: a spreadsheet would run a field such as ``=HYPERLINK(...)``.

What a file brings in may come back to staff in a quarantine file, which they open in a
spreadsheet. There such a field is written behind an apostrophe, which makes it text; reading the
file again takes exactly that apostrophe away. Plain numbers stand as they are, whatever sign they
have. See https://owasp.org/www-community/attacks/CSV_Injection.
"""

from __future__ import annotations

import re

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # the full-width ones count as well
_FORMULA = re.compile(rf"'*(?:[\t\r\n]|\s*[{_SIGNS}])")
_DEFUSED = re.compile(rf"'+(?:[\t\r\n]|\s*[{_SIGNS}])")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[ \u00a0\u202f][0-9]+)*(?:[.,][0-9]+)?")
_QUOTED = re.compile(rf'[;"\r\n]|[,\t]\s*[{_SIGNS}]')


def defuse(text: str) -> str:
    """Return a field that no spreadsheet evaluates; `restore` gives the text back.

    A text that looks defused already gets one more apostrophe, so no two texts become one.
    """
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def restore(field: str) -> str:
    """Return the text that `defuse` was given."""
    return field[1:] if _DEFUSED.match(field) else field


def csv_line(texts: list[str]) -> str:
    """Return a line of CSV with ``;`` whose fields are defused.

    A field is also quoted where it would be a formula after a comma or a tab, for programs that
    take those for separators, too.
    """
    return ";".join(_quoted(defuse(text)) for text in texts) + "\n"


def _quoted(field: str) -> str:
    if _QUOTED.search(field):
        doubled = field.replace('"', '""')
        return f'"{doubled}"'
    return field
