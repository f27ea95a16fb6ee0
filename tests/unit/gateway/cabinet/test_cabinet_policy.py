"""Where a form of the cabinet may lead a browser: ourselves, and the sites of the acquirers."""

from __future__ import annotations

from werkzeug.wrappers import Request, Response

from gateway.cabinet.policy import GOES_TO_BANK, secure_page
from shared.acquirer_settings import AcquirerSettings
from shared.config import Settings

ACQUIRERS = (
    AcquirerSettings("main", "rbs", "https://bank.example/payment"),
    AcquirerSettings(
        "kassa",
        "yookassa",
        "https://api.kassa.example",
        pages=("https://kassa.example", "https://3ds.example:8443"),
    ),
    AcquirerSettings("spare", "rbs", "https://bank.example/spare"),
)


def policy_of(**environ: bool) -> str:
    settings = Settings(amqp_url="", secret=bytes(32), acquirers=ACQUIRERS)
    request = Request({"REQUEST_METHOD": "GET", **environ})
    return secure_page(request, Response(), settings).headers["Content-Security-Policy"]


def test_a_form_that_leads_to_a_bank_may_lead_to_each_site_of_each_acquirer() -> None:
    """An acquirer's pages may be on other sites than its API."""
    expected = "https://bank.example https://kassa.example https://3ds.example:8443"
    assert f"form-action 'self' {expected};" in policy_of(**{GOES_TO_BANK: True})


def test_any_other_form_stays_here() -> None:
    assert "form-action 'self';" in policy_of()
