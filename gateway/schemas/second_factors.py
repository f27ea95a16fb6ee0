"""Second factors: passkeys, an authenticator app, recovery codes."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas import patterns
from gateway.schemas.base import (
    ID_EXAMPLE,
    Result,
    Shape,
    described,
    formed,
    identifier,
    input_text,
    instant,
    notice,
    output_text,
    secret,
)
from gateway.schemas.base import Text as TextField
from gateway.schemas.sessions import device_name, device_token

_SIGNED = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"


def _binary(description: str, *, required: bool = True) -> TextField:
    missing = {"required": True} if required else {"load_default": None, "allow_none": True}
    return TextField(
        validate=formed(patterns.BASE64URL, 16_384),
        metadata=described(f"{description}, base64url.", _SIGNED),
        **missing,
    )


def _of_the_browser(description: str, example: str) -> TextField:
    return TextField(
        load_default=None,
        allow_none=True,
        validate=formed(patterns.TEXT, 100),
        metadata=described(description, example),
    )


def current_password() -> TextField:
    """Return the field for the password that confirms a change."""
    return secret("The current password.", "четыре синих чайника")


def challenge_id() -> TextField:
    """Return the field for the id of a challenge."""
    return TextField(
        required=True,
        validate=formed(patterns.UUID, 36),
        metadata=described("The id of the challenge.", ID_EXAMPLE, format="uuid"),
    )


class Creation(Shape):
    """The response of `navigator.credentials.create()`."""

    clientDataJSON = _binary("What was signed")  # noqa: N815 - WebAuthn's names
    attestationObject = _binary("The new key")  # noqa: N815


class CreatedCredential(Shape):
    """What `navigator.credentials.create()` returned, as JSON."""

    id = _binary("The id of the credential")
    rawId = _binary("The same")  # noqa: N815
    type = _of_the_browser("`public-key`.", "public-key")
    response = fields.Nested(Creation, required=True)


class Assertion(Shape):
    """The response of `navigator.credentials.get()`."""

    clientDataJSON = _binary("What was signed")  # noqa: N815
    authenticatorData = _binary("What the authenticator says of itself")  # noqa: N815
    signature = _binary("The signature")
    userHandle = _binary("Whose passkey it is", required=False)  # noqa: N815


class UsedCredential(Shape):
    """What `navigator.credentials.get()` returned, as JSON."""

    id = _binary("The id of the credential")
    rawId = _binary("The same")  # noqa: N815
    type = _of_the_browser("`public-key`.", "public-key")
    response = fields.Nested(Assertion, required=True)


class PasskeySignIn(Shape):
    """A signed request, and what `SignIn` has of the device."""

    passkey = fields.Nested(UsedCredential, required=True)
    device = device_name()
    device_token = device_token()


def _code() -> TextField:
    return TextField(
        load_default=None,
        allow_none=True,
        validate=formed(patterns.TEXT, 32),
        metadata=described("Six digits of the app, or twelve of a recovery code.", "492 039"),
    )


def _signed() -> fields.Nested:
    return fields.Nested(
        UsedCredential,
        load_default=None,
        allow_none=True,
        metadata=described("In place of a code: the request of the step, signed."),
    )


class SecondStep(Shape):
    """The challenge, a code or a signed request, and what `SignIn` has of the device."""

    challenge_id = challenge_id()
    code = _code()
    passkey = _signed()
    device = device_name()
    device_token = device_token()


class Reauthenticate(Shape):
    """A code, or a signed request."""

    code = _code()
    passkey = _signed()


class Reauthentication(Result):
    """The second step within a session."""

    required = fields.Boolean(
        required=True,
        metadata=described("Whether a change of access would be refused without it.", True),
    )
    methods = fields.List(
        fields.String(),
        required=True,
        metadata=described(
            "Of `passkey`, `totp` and `recovery_code` those that the person has; none without a "
            "second factor."
        ),
    )
    passkey = fields.Dict(
        required=True,
        allow_none=True,
        metadata=described(
            "`publicKey` of `navigator.credentials.get()`, as JSON; null without a passkey, and "
            "while no step is required. It holds for ten minutes."
        ),
    )
    until = instant("Until when a step already taken serves; null without one.", allow_none=True)


class Reauthenticated(Result):
    """The step is taken."""

    until = instant("Until when it serves.")


class PasskeyRequest(Result):
    """What a browser is asked for."""

    passkey = fields.Dict(
        required=True,
        metadata=described("`publicKey` of `navigator.credentials.get()`, as JSON."),
    )
    expires_at = instant("Until when it may be signed, once.")


class PendingStep(Result):
    """A second step of signing in."""

    challenge_id = identifier("The id of the challenge.")
    methods = fields.List(
        fields.String(),
        required=True,
        metadata=described("Of `passkey`, `totp` and `recovery_code` those that the person has."),
    )
    passkey = fields.Dict(
        required=True,
        allow_none=True,
        metadata=described(
            "`publicKey` of `navigator.credentials.get()`, as JSON; null without a passkey."
        ),
    )
    expires_at = instant("Until when the step may be taken.")


class Passkey(Result):
    """A passkey of the person."""

    passkey_id = identifier("The id of the passkey.")
    name = output_text("What the person calls it.", "Телефон")
    added_at = instant("When it was added.")
    last_used_at = instant("When it was last used; null until then.", allow_none=True)


class Totp(Result):
    """The authenticator app of the person."""

    added_at = instant("When it was set up.")
    last_used_at = instant("When a code of it was last used; null until then.", allow_none=True)


class RecoveryCodesLeft(Result):
    """The recovery codes of the person."""

    left = fields.Integer(required=True, metadata=described("How many are left.", 9))
    issued_at = instant("When they were issued; null if none is left.", allow_none=True)


class SecondFactors(Result):
    """The second factors of the person."""

    passkeys = fields.List(fields.Nested(Passkey), required=True)
    totp = fields.Nested(
        Totp, required=True, allow_none=True, metadata=described("Null without an app.")
    )
    recovery_codes = fields.Nested(
        RecoveryCodesLeft,
        required=True,
        allow_none=True,
        metadata=described("Null without a second factor."),
    )


class StartPasskey(Shape):
    """The name of the passkey, and the current password."""

    name = input_text("What to call it.", "Телефон", most=60)
    current_password = current_password()


class Confirmed(Shape):
    """The current password."""

    current_password = current_password()


class PasskeyChallenge(Result):
    """What a browser is asked to create."""

    challenge_id = identifier("The id of the challenge.")
    name = output_text("What the passkey will be called.", "Телефон")
    passkey = fields.Dict(
        required=True,
        metadata=described("`publicKey` of `navigator.credentials.create()`, as JSON."),
    )
    expires_at = instant("Until when the passkey may be created.")


class AddPasskey(Shape):
    """The challenge, and what the browser has created."""

    challenge_id = challenge_id()
    credential = fields.Nested(CreatedCredential, required=True)


class TotpChallenge(Result):
    """The secret to enter into an authenticator app."""

    challenge_id = identifier("The id of the challenge.")
    secret = output_text("The secret, base32.", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    uri = output_text(
        "The same for a QR code.", "otpauth://totp/Saldo:ivanov%40example.org?secret=JBSWY3DPEHPK"
    )
    expires_at = instant("Until when a code of the app is waited for.")


class EnableTotp(Shape):
    """The challenge, and a code that the app shows."""

    challenge_id = challenge_id()
    code = input_text("Six digits.", "492 039", most=32)


class FactorAdded(Result):
    """The factor is added; the session goes on with another token."""

    token = output_text("Send it from now on: the old token is refused. It is shown once.")
    expires_at = instant("When the session expires.")
    recovery_codes = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata=described(
            "Ten codes for the day when the factor is lost, shown once; null if earlier ones hold."
        ),
    )
    message = notice()


class FactorRemoved(Result):
    """The factor is removed; the session goes on with another token."""

    token = output_text("Send it from now on: the old token is refused. It is shown once.")
    expires_at = instant("When the session expires.")
    message = notice()


class RecoveryCodes(Result):
    """Fresh recovery codes."""

    codes = fields.List(
        fields.String(),
        required=True,
        metadata=described("Ten codes, each for one sign-in, shown once."),
    )


class SecurityEntry(Result):
    """One event of the person's access."""

    at = instant("When it happened.")
    action = output_text("What happened: `signed_in`, `factor_added` and so on.", "signed_in")
    about = output_text("With what, or to what; empty where nothing is to be added.", "password")
    by = output_text("`you`, `staff`, `service`, or `anonymous`: without a log-in.", "you")


class SecurityLog(Result):
    """The latest events of the person's access."""

    entries = fields.List(fields.Nested(SecurityEntry), required=True)
