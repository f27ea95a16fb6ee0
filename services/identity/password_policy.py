"""The policy for passwords that people choose.

Length counts, mixtures of character classes do not (NIST SP 800-63B): passwords are refused that
are guessed first.
"""

from __future__ import annotations

import unicodedata

from shared.errors import ValidationFailed

MIN_LENGTH = 10
MAX_LENGTH = 200

_COMMON_TEXT = """
0123456789 0987654321 1029384756 1111111111 11111111111 1122334455 123123123123 1231231234
1234512345 12345678910 1234567890 12345678901 123456789012 1234567891 123456789a 123456789q
123456qwerty 12345qwert 1234qwerasdf 1234qwertyuiop 147258369 1472583690 1q2w3e4r5t
1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc 5555555555 9876543210 a123456789 abc1234567
abcdefghij administrator admin12345 asdfghjkl1 asdfghjkl; asdfghjkl123 changeme123
gfhjkmgfhjkm iloveyou12 letmein123 lichnykabinet monkey12345 passw0rd123 password01
password12 password123 password1234 passwordpassword qazwsxedcrfv qazwsxedc1 qwe123qwe123
qweasdzxc1 qweasdzxc123 qwerty1234 qwerty12345 qwerty123456 qwerty1234567 qwertyqwerty
qwertyuiop qwertyuiop1 qwertyuiop[] qwertyuiop123 saldosaldo superman123 temppassword
welcome123 zaq12wsxcde zxcvbnm123 zxcvbnm,./ йцукенгшщз йцукенгшщзхъ йцукен12345
йцукен123456 фывапролдж фывапролджэ ячсмитьбю. парольпароль пароль1234 пароль12345
пароль123456 личныйкабинет самыйлучший люблюлюблю привет12345
"""
_COMMON = frozenset(_COMMON_TEXT.split())


def check_password(password: str, *, email: str | None = None, previous: str | None = None) -> None:
    """Raise ValidationFailed for a password that is easily guessed or not new.

    ``email`` is the person's address if known, ``previous`` the password being changed. The codes
    are ``password_too_short`` (``min_length``), ``password_too_long``
    (``max_length``), ``password_too_common``, ``password_is_email``, ``password_unchanged``.
    """
    plain = unicodedata.normalize("NFKC", password)
    folded = plain.strip().lower()
    if len(plain) < MIN_LENGTH:
        raise ValidationFailed(
            "password_too_short",
            f"Choose a password of at least {MIN_LENGTH} characters; a phrase is easy to remember.",
            min_length=MIN_LENGTH,
        )
    if len(plain) > MAX_LENGTH:
        raise ValidationFailed(
            "password_too_long",
            f"Choose a password of at most {MAX_LENGTH} characters.",
            max_length=MAX_LENGTH,
        )
    if folded in _COMMON or len(set(folded)) < 4:
        raise ValidationFailed(
            "password_too_common", "This password is among the first to be guessed; choose another."
        )
    if email is not None and folded in (email.lower(), email.lower().rpartition("@")[0]):
        raise ValidationFailed(
            "password_is_email", "The password must not be the e-mail address; choose another."
        )
    if previous is not None and plain == unicodedata.normalize("NFKC", previous):
        raise ValidationFailed(
            "password_unchanged", "The new password is the current one; choose another."
        )
