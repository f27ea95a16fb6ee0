"""The patterns of request fields, in what ECMA-262 and Python's `re` have in common.

JSON Schema patterns are ECMA-262, where `\\Z`, `\\s` and `\\d` mean something else or nothing. A
pattern matches a text as it is sent: what a person pastes may have spaces around it.
"""

CONTROL = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
"""Inside brackets: control characters other than tab and the ends of lines."""
_SPACE = r"\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Inside brackets: white space, as ``str.strip`` takes it off."""

TEXT = f"^[^{CONTROL}]*$"
VISIBLE = f"^[^{CONTROL}]*[^{CONTROL}{_SPACE}][^{CONTROL}]*$"
"""Text with something to see in it."""

_BETWEEN = rf"[{_SPACE}.\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2116\u2212\ufeff-]*"
"""What may stand between the digits of an account number: spaces, hyphens, full stops, №."""
_DIGIT = r"[0-9\uff10-\uff19OolI|\u041e\u043e]"
"""Digits, full-width ones and letters that look like them."""
_ACCOUNT = f"{_BETWEEN}({_DIGIT}{_BETWEEN}){{1,20}}"
_ELS_LETTER = r"[ABCEHKMOPTXYabcehkmoptxy\u0401\u0410-\u042f\u0430-\u044f\u0451]"
_ELS = f"{_BETWEEN}({_DIGIT}{_BETWEEN}){{2}}({_ELS_LETTER}{_BETWEEN}){{2}}({_DIGIT}{_BETWEEN}){{6}}"
ACCOUNT = f"^{_ACCOUNT}$"
"""The number of an account in any spelling that shared.account_spelling reads."""
ACCOUNT_OR_ELS = f"^({_ACCOUNT}|{_ELS})$"
ACQUIRER = "^ *[a-z][a-z0-9]{0,15} *$"
CURSOR = "^[A-Za-z0-9_-]+$"
IDEMPOTENCY_KEY = "^[!-~]+$"
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
SHA256 = "^[A-Za-z0-9+/]{43}=$"
"""A hash in base64."""

_ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LETTER = r"A-Za-z0-9\u00df-\u00f6\u00f8-\u00ff\u0400-\u045f"
_LABEL = f"[{_LETTER}]([{_LETTER}-]{{0,61}}[{_LETTER}])"
EMAIL = rf"^ *{_ATEXT}(\.?{_ATEXT}){{0,63}}@({_LABEL}?\.)+{_LABEL} *$"
"""The domain may be Cyrillic (IDNA)."""

_VISIBLE = f"[^{CONTROL}{_SPACE}]"
NAME = f"^[^{CONTROL}]*{_VISIBLE}[^{CONTROL}]*{_VISIBLE}[^{CONTROL}]*$"
"""At least two characters to see."""
NAME_OR_NONE = f"^[{_SPACE}]*({NAME[1:-1]})?$"

_DASH = r"[ ().\u00a0\u2010-\u2015-]*"


def _digits(first: str, count: str) -> str:
    return f"{first}({_DASH}[0-9]){{{count}}}"


_PHONE = "|".join(
    (
        _digits("[78]", "10"),
        _digits("9", "9"),
        rf"\+{_DASH}" + _digits("7", "10"),
        rf"\+{_DASH}" + _digits("[1-689]", "7,14"),
    )
)
BLANK = "^ *$"
PHONE = f"^{_DASH}({_PHONE}){_DASH}$"
PHONE_OR_NONE = f"{BLANK}|{PHONE}"

INN_OF_ENTITY, INN_OF_TRADER = "^ *[0-9]{10} *$", "^ *[0-9]{12} *$"
INN = "^ *[0-9]{10}([0-9]{2})? *$"
KPP = "^ *[0-9]{4}[0-9A-Za-z]{2}[0-9]{3} *$"
BASE64URL = "^[A-Za-z0-9_-]+$"
UUID = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

LINK_TOKEN = "^[A-Za-z0-9_-]{43}$"  # noqa: S105 - the form of one
"""The token of a link in a letter: 256 bits."""
MONTH = "^[0-9]{4}-(0[1-9]|1[0-2])$"
