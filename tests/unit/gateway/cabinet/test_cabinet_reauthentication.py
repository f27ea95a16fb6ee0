"""The second step again, before a change of access."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cabinet_doubles import CabinetBrowser
from gateway_doubles import NO_STEP, THING, FakeServices
from gateway_samples import PROFILE
from test_cabinet_security import AT, HERE, OPTIONS, SECURITY, USED, credential, options_on

from gateway.cabinet.static import static_path
from shared.config import Settings
from shared.errors import Forbidden, Unavailable, ValidationFailed


@pytest.fixture
def here(cabinet_of: Callable[[Settings], CabinetBrowser]) -> CabinetBrowser:
    """A cabinet at its public address, with somebody signed in."""
    browser = cabinet_of(HERE)
    browser.sign_in()
    return browser


STEP_AGAIN = {
    "required": True,
    "methods": ["totp", "recovery_code"],
    "passkey": None,
    "until": None,
}
CONFIRM = "/settings/confirm"
REFUSED = Forbidden("reauthentication_required", "x")


@pytest.mark.parametrize(
    "path",
    [
        "/password",
        "/settings/email/without-old",
        f"{SECURITY}/passkeys",
        f"{SECURITY}/passkeys/{THING}/remove",
        f"{SECURITY}/recovery-codes",
        f"{SECURITY}/totp",
        f"{SECURITY}/totp/off",
    ],
)
def test_the_second_step_comes_before_each_form_of_access(
    here: CabinetBrowser, services: FakeServices, path: str
) -> None:
    services.answers["identity", "reauthentication"] = STEP_AGAIN
    page = here.get(path)
    assert (page.status, page.location) == (303, f"{CONFIRM}?next={path.replace('/', '%2F')}")


def test_the_step_leads_on_to_the_form(here: CabinetBrowser, services: FakeServices) -> None:
    services.answers["identity", "reauthentication"] = STEP_AGAIN
    services.answers["identity", "reauthenticate"] = {"until": AT}
    shown = here.get(f"{CONFIRM}?next=/settings/security/totp/off")
    assert "Подтвердите, что это Вы" in shown.text
    assert static_path("passkeys.js") not in shown.markup
    page = here.submit(f"{CONFIRM}?next=/settings/security/totp/off", CONFIRM, code=" 492 039 ")
    assert (page.status, page.location) == (303, f"{SECURITY}/totp/off")
    _, method, sent = services.calls[-1]
    assert (method, sent["code"], sent["passkey"]) == ("reauthenticate", "492 039", None)
    page = here.submit(f"{CONFIRM}?next=//evil.example", CONFIRM, code="492039")
    assert page.location == SECURITY


def test_a_wrong_code_of_the_step_stands_beside_its_field(
    here: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "reauthentication"] = STEP_AGAIN
    services.answers["identity", "reauthenticate"] = ValidationFailed(
        "wrong_second_factor", "x", attempts_left=3
    )
    page = here.submit(f"{CONFIRM}?next=/password", CONFIRM, code="492039")
    assert page.status == 422
    assert "осталось попыток: 3" in page.text
    assert page.fields["_next"] == "/password"


def test_a_passkey_takes_the_step_within_a_session(
    here: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "reauthentication"] = {**STEP_AGAIN, "passkey": OPTIONS}
    services.answers["identity", "reauthenticate"] = {"until": AT}
    shown = here.get(f"{CONFIRM}?next=/password")
    assert options_on(shown) == OPTIONS
    page = here.submit(
        f"{CONFIRM}?next=/password", CONFIRM, credential=credential(USED), _next="/password"
    )
    assert page.location == "/password"
    _, method, sent = services.calls[-1]
    assert (method, sent["code"], sent["passkey"]["id"]) == ("reauthenticate", None, "AA")


def test_typed_fields_but_the_password_are_there_after_the_step(
    here: CabinetBrowser, services: FakeServices, own_pages: None
) -> None:
    services.answers["identity", "pending_email_change"] = {"pending": None}
    services.answers["identity", "profile"] = {**PROFILE, "language": "ru"}
    services.answers["identity", "request_email_change"] = REFUSED
    services.answers["identity", "reauthenticate"] = {"until": AT}
    fields = here.get("/settings/email").fields
    services.answers["identity", "reauthentication"] = STEP_AGAIN
    typed = {**fields, "email": "new@example.org", "current_password": "p"}
    page = here.post("/settings/email", typed)
    assert page.status == 403
    assert "Подтвердите, что это Вы" in page.text
    services.answers["identity", "reauthentication"] = NO_STEP
    again = here.post(CONFIRM, {**page.fields, "code": "492039"})
    assert again.status == 200
    assert (again.fields["email"], again.fields["current_password"]) == ("new@example.org", "")


def test_a_step_that_cannot_be_shown_is_a_page_of_an_outage(
    here: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "change_password"] = REFUSED
    fields = here.get("/password").fields
    services.answers["identity", "reauthentication"] = Unavailable("service_unavailable", "x")
    typed = {"current_password": "p", "new_password": "a long new password"}
    page = here.post("/password", {**fields, **typed, "repeated": typed["new_password"]})
    assert page.status == 503


def test_where_the_step_is_due_the_address_is_shown_and_no_form(
    here: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "pending_email_change"] = {"pending": None}
    services.answers["identity", "profile"] = {**PROFILE, "language": "ru"}
    services.answers["identity", "reauthentication"] = STEP_AGAIN
    page = here.get("/settings/email")
    assert PROFILE["email"] in page.text
    assert "email" not in page.fields
    assert 'href="/settings/confirm?next=/settings/email"' in page.markup


def test_nobody_is_asked_again_without_a_reason(here: CabinetBrowser) -> None:
    page = here.get(f"{CONFIRM}?next=/password")
    assert (page.status, page.location) == (303, "/password")


REQUIRED = f"{SECURITY}/required"


@pytest.fixture
def unguarded(here: CabinetBrowser, services: FakeServices) -> CabinetBrowser:
    """A cabinet whose operator requires the second factor that its person does not have."""
    services.sign_in(must_add_factor=True)
    return here


@pytest.mark.parametrize("path", ["/accounts", "/pay", SECURITY, f"{SECURITY}/totp/off"])
def test_a_required_factor_comes_first(unguarded: CabinetBrowser, path: str) -> None:
    page = unguarded.get(path)
    assert (page.status, page.location) == (303, REQUIRED)


def test_the_ways_to_set_a_required_factor_up_are_open(unguarded: CabinetBrowser) -> None:
    page = unguarded.get(REQUIRED)
    assert page.status == 200
    assert "Включите второй шаг входа" in page.text
    assert "/settings/sessions" not in page.markup, "no way on is shown"
    for path in (f"{SECURITY}/passkeys", f"{SECURITY}/totp", "/password"):
        assert unguarded.get(path).status == 200


def test_whoever_has_a_factor_is_led_on(here: CabinetBrowser) -> None:
    page = here.get(REQUIRED)
    assert (page.status, page.location) == (303, SECURITY)
