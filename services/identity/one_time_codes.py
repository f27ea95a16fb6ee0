"""Codes of an authenticator app (TOTP, RFC 6238) and on paper."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime

from pyotp import TOTP, random_base32

ISSUER = "Saldo"
"""What apps and authenticators call this site."""
RECOVERY_DIGITS = 12
"""Digits alone: they are typed on any keyboard, and nothing looks like something else. 40 bits."""
RECOVERY_CODES = 10
_TOLERANCE = 1
"""Steps of 30 seconds by which the clock of a telephone may differ."""


def new_totp_secret() -> str:
    """Return a secret of 160 random bits, in base32."""
    return random_base32()


def totp_uri(secret: str, email: str) -> str:
    """Return what an app reads from the QR code."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def accepted_step(secret: str, code: str, last_step: int, now: datetime) -> int | None:
    """Return the step of a right code; None for a wrong one, and for one of a step already used."""
    totp = TOTP(secret)
    present = int(now.timestamp()) // totp.interval
    for step in range(present - _TOLERANCE, present + _TOLERANCE + 1):
        right = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if right and step > last_step:
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Return ten codes as they are printed: "4821 9907 1453"."""
    return [
        " ".join(f"{secrets.randbelow(10_000):04d}" for _ in range(RECOVERY_DIGITS // 4))
        for _ in range(RECOVERY_CODES)
    ]


def plain_code(typed: str) -> str:
    """Return a code as it was typed, without what separates its digits."""
    return "".join(character for character in typed if character.isalnum())
