"""What the settings of an installation say of its payments."""

from __future__ import annotations

from functools import lru_cache

from services.payments.acquirers import open_acquirers
from services.payments.application import Limits
from services.payments.polling import Acquirers
from shared.acquirer_settings import AcquirerSettings
from shared.config import Settings


def acquirers_of(settings: Settings) -> Acquirers:
    """Return the acquirers of an installation; raises ConfigurationError for unknown ones."""
    return _opened(settings.acquirers, settings.payments_mismatch == "return")


def limits_of(settings: Settings) -> Limits:
    """Return what the operator allows."""
    return Limits(largest=settings.payments_largest, most_open=settings.payments_open_orders)


def return_url_of(settings: Settings) -> str:
    """Return our page of a payment, as a template with `{payment_id}`."""
    return f"{settings.url}/payments/{{payment_id}}"


@lru_cache(maxsize=4)
def _opened(settings: tuple[AcquirerSettings, ...], returns_mismatch: bool) -> Acquirers:
    return Acquirers(open_acquirers(settings), returns_mismatch)
