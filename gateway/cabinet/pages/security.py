"""«Безопасность»: passkeys, codes of an app, recovery codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import cookies, passkeys
from gateway.cabinet.first_pages import FACTOR_SETUP
from gateway.cabinet.page import page
from gateway.cabinet.security_events import what_happened
from gateway.cabinet.visit import Refused, Visit
from gateway.operations import Access
from gateway.problems import Refusal
from gateway.routes.second_factors import SecondFactorRoutes
from shared.errors import Conflict

HOME = "/settings/security"
WITHOUT = Access.WITHOUT_FACTOR
CODES = f"{HOME}/recovery-codes"
SHOWN_SECONDS = 600
"""How long fresh recovery codes can be seen: to print or to copy them."""


class SecurityPages:
    """The second factor of whoever is signed in."""

    @page("GET", "/settings/security")
    def security(self, visit: Visit) -> Response:
        """Show the passkeys, the app and the codes, and the ways to change them."""
        factors, log = visit.together(
            lambda: visit.api(SecondFactorRoutes.second_factors),
            visit.aside(lambda: visit.api(SecondFactorRoutes.security_log)["entries"]),
        )
        return visit.render(
            "security.html",
            factors=factors,
            log=log and [(entry, what_happened(visit, entry)) for entry in log],
            available=passkeys.available(visit),
            elsewhere=passkeys.elsewhere(visit),
        )

    @page("GET", FACTOR_SETUP, access=WITHOUT)
    def factor_setup(self, visit: Visit) -> Response:
        """Lead whoever has to set up a second factor to the ways of it."""
        if visit.person is not None and not visit.person.must_add_factor:
            return visit.redirect(HOME)
        return visit.render(
            "security_required.html",
            available=passkeys.available(visit),
            elsewhere=passkeys.elsewhere(visit),
        )

    # Passkeys

    @page("GET", "/settings/security/passkeys", access=WITHOUT, reauthenticated=True)
    def new_passkey_form(self, visit: Visit) -> Response:
        """Ask for a name and the password."""
        return _new_passkey(visit)

    @page("POST", "/settings/security/passkeys", access=WITHOUT)
    def submit_new_passkey(self, visit: Visit) -> Response:
        """Check the password before the browser creates anything."""
        outcome = visit.attempt(
            SecondFactorRoutes.start_passkey,
            body={"name": visit.form.get("name", ""), **_password(visit)},
            says={
                "name": visit.text("Назовите ключ, например «Телефон»: до 60 букв."),
                **_says(visit),
            },
        )
        if isinstance(outcome, Refused):
            return _new_passkey(visit, outcome.errors)
        return visit.redirect(f"{HOME}/passkeys/new/{outcome['challenge_id']}")

    @page("GET", "/settings/security/passkeys/new/<uuid:challenge_id>", access=WITHOUT)
    def passkey_creation(self, visit: Visit) -> Response:
        """Have the browser create the passkey."""
        return _creation(visit)

    @page("POST", "/settings/security/passkeys/new/<uuid:challenge_id>", access=WITHOUT)
    def submit_created_passkey(self, visit: Visit) -> Response:
        """Keep the passkey that the browser has created."""
        outcome = visit.attempt(
            SecondFactorRoutes.add_passkey,
            body={
                "challenge_id": str(visit.path["challenge_id"]),
                "credential": passkeys.posted_credential(visit),
            },
        )
        if isinstance(outcome, Refused):
            return _creation(visit, passkeys.in_words(visit, outcome.errors))
        return _added(visit, outcome)

    @page("GET", "/settings/security/passkeys/<uuid:passkey_id>/remove", reauthenticated=True)
    def passkey_removal(self, visit: Visit) -> Response:
        """Ask for the password."""
        return _removal(visit)

    @page("POST", "/settings/security/passkeys/<uuid:passkey_id>/remove")
    def submit_passkey_removal(self, visit: Visit) -> Response:
        """Remove a passkey."""
        outcome = visit.attempt(
            SecondFactorRoutes.remove_passkey,
            path=visit.path,
            body=_password(visit),
            says=_says(visit),
        )
        if isinstance(outcome, Refused):
            return _removal(visit, outcome.errors)
        return _changed(visit, HOME, outcome)

    # The app

    @page("GET", "/settings/security/totp", access=WITHOUT, reauthenticated=True)
    def totp_form(self, visit: Visit) -> Response:
        """Ask for the password."""
        return visit.render("security_totp.html")

    @page("POST", "/settings/security/totp", access=WITHOUT)
    def submit_totp(self, visit: Visit) -> Response:
        """Make a secret for the app."""
        outcome = visit.attempt(
            SecondFactorRoutes.start_totp, body=_password(visit), says=_says(visit)
        )
        if isinstance(outcome, Refused):
            return visit.render("security_totp.html", errors=outcome.errors)
        return visit.redirect(f"{HOME}/totp/{outcome['challenge_id']}")

    @page("GET", "/settings/security/totp/<uuid:challenge_id>", access=WITHOUT)
    def totp_secret(self, visit: Visit) -> Response:
        """Show the secret, and ask for the first code."""
        return _totp_secret(visit)

    @page("POST", "/settings/security/totp/<uuid:challenge_id>", access=WITHOUT)
    def submit_totp_code(self, visit: Visit) -> Response:
        """Ask for codes of the app from now on."""
        outcome = visit.attempt(
            SecondFactorRoutes.enable_totp,
            body={
                "challenge_id": str(visit.path["challenge_id"]),
                "code": visit.form.get("code", ""),
            },
            says={"code": visit.text("Введите шесть цифр, которые показывает приложение.")},
        )
        if isinstance(outcome, Refused):
            return _totp_secret(visit, outcome.errors)
        return _added(visit, outcome)

    @page("GET", "/settings/security/totp/off", reauthenticated=True)
    def totp_removal(self, visit: Visit) -> Response:
        """Ask for the password."""
        return visit.render("security_totp_off.html")

    @page("POST", "/settings/security/totp/off")
    def submit_totp_removal(self, visit: Visit) -> Response:
        """Ask for codes of the app no more."""
        outcome = visit.attempt(
            SecondFactorRoutes.disable_totp, body=_password(visit), says=_says(visit)
        )
        if isinstance(outcome, Refused):
            return visit.render("security_totp_off.html", errors=outcome.errors)
        return _changed(visit, HOME, outcome)

    # Recovery codes

    @page("GET", "/settings/security/recovery-codes", reauthenticated=True)
    def recovery_codes(self, visit: Visit) -> Response:
        """Show the codes that were just issued; ask for the password to issue new ones."""
        return visit.render("recovery_codes.html", codes=_fresh_codes(visit))

    @page("POST", "/settings/security/recovery-codes")
    def submit_recovery_codes(self, visit: Visit) -> Response:
        """Issue ten new codes."""
        outcome = visit.attempt(
            SecondFactorRoutes.issue_recovery_codes, body=_password(visit), says=_says(visit)
        )
        if isinstance(outcome, Refused):
            return visit.render("recovery_codes.html", codes=None, errors=outcome.errors)
        response = visit.redirect(CODES)
        _show_once(visit, response, outcome["codes"])
        return response


def _password(visit: Visit) -> dict[str, str]:
    return {"current_password": visit.form.get("current_password", "")}


def _says(visit: Visit) -> dict[str, str]:
    return {"current_password": visit.text("Введите пароль от кабинета.")}


def _new_passkey(visit: Visit, errors: Any = None) -> Response:
    return visit.render(
        "security_passkey.html",
        available=passkeys.available(visit),
        elsewhere=passkeys.elsewhere(visit),
        errors=errors,
    )


def _creation(visit: Visit, errors: Any = None) -> Response:
    challenge = _challenge(visit, SecondFactorRoutes.passkey_challenge)
    if isinstance(challenge, Response):
        return challenge
    return visit.render(
        "security_passkey_new.html",
        challenge=challenge,
        options=json.dumps(challenge["passkey"]),
        elsewhere=passkeys.elsewhere(visit),
        errors=errors,
    )


def _removal(visit: Visit, errors: Any = None) -> Response:
    wanted = str(visit.path["passkey_id"])
    known = visit.api(SecondFactorRoutes.second_factors)["passkeys"]
    for passkey in known:
        if str(passkey["passkey_id"]) == wanted:
            return visit.render("security_passkey_remove.html", passkey=passkey, errors=errors)
    raise Refusal(404, "passkey_not_found")


def _totp_secret(visit: Visit, errors: Any = None) -> Response:
    challenge = _challenge(visit, SecondFactorRoutes.totp_challenge)
    if isinstance(challenge, Response):
        return challenge
    return visit.render("security_totp_new.html", challenge=challenge, errors=errors)


def _challenge(visit: Visit, endpoint: Any) -> Any:
    """Return a challenge of the settings, or the way back for one that has expired."""
    try:
        return visit.api(endpoint, path=visit.path)
    except Conflict as error:
        return visit.redirect(HOME, visit.message(error.code, error.kind, **error.params))


def _added(visit: Visit, outcome: Mapping[str, Any]) -> Response:
    codes = outcome["recovery_codes"]
    response = _changed(visit, CODES if codes else HOME, outcome)
    if codes:
        _show_once(visit, response, codes)
    return response


def _changed(visit: Visit, to: str, outcome: Mapping[str, Any]) -> Response:
    """Go on in the same session, which has another token now."""
    response = visit.redirect(to, outcome["message"])
    cookies.keep(response, cookies.SESSION, outcome["token"])
    return response


def _show_once(visit: Visit, response: Response, codes: list[str]) -> None:
    sealed = visit.sealer.seal("codes", {"codes": codes, "person": visit.person_mark})
    cookies.keep(response, cookies.CODES, sealed, seconds=SHOWN_SECONDS)


def _fresh_codes(visit: Visit) -> list[str] | None:
    sealed = visit.request.cookies.get(cookies.CODES, "")
    found = visit.sealer.unseal("codes", sealed, seconds=SHOWN_SECONDS) if sealed else None
    if found is None or not visit.is_own_mark(str(found["person"])):
        return None
    return [str(code) for code in found["codes"]]
