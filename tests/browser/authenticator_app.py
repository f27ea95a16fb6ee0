"""An authenticator app, as a person sets it up in a browser."""

from __future__ import annotations

from pyotp import TOTP

from tests.browser.visitor import Visitor


def set_up_app(visitor: Visitor, password: str) -> None:
    """Set an app up, from a page that leads to it; end at «Безопасность»."""
    visitor.click("Включить", "link")
    visitor.fill(current_password=password)
    visitor.click("Дальше")
    visitor.fill(code=app_on(visitor).now())
    visitor.click("Включить")
    visitor.click("Готово", "link")


def app_on(visitor: Visitor) -> TOTP:
    """Return the app that has the secret of the page."""
    return TOTP(visitor.page.locator("dd code").first.inner_text().split()[0])
