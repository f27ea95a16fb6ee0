"""The scheduled jobs of fiscal receipts; they do nothing where no registrar is configured."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.payments.fiscal import open_registrar, registration
from shared.bus import Job, Services
from shared.errors import NotFound, Unavailable


def request_fiscal_receipts(services: Services) -> int:
    """Ask for the receipts of money that has come or gone; return their number."""
    fiscal = services.settings.fiscal
    return 0 if fiscal is None else registration.request_new(services.store, fiscal)


def register_fiscal_receipts(services: Services) -> int:
    """Ask the registrar about the receipts that are due; return their number."""
    settings = services.settings
    if settings.fiscal is None:
        return 0
    registrar = open_registrar(settings.fiscal, settings.timezone)
    fallback = settings.fiscal.email
    return registration.register_due(
        services.store, registrar, lambda person_id: _buyer(services, person_id, fallback)
    )


def _buyer(services: Services, person_id: UUID, fallback: str) -> str | None:
    """Return where the receipt is sent; None while it cannot be asked.

    An erased person has no address any more, and the law still wants one: the seller's own.
    """
    try:
        contact = services.call("identity", "contact", person_id=str(person_id))
    except NotFound:
        return fallback
    except Unavailable:
        return None
    return contact["email"] or fallback


FISCAL_JOBS: Final = [
    Job("request_fiscal_receipts", every=1.0, run=request_fiscal_receipts),
    Job("register_fiscal_receipts", every=1.0, run=register_fiscal_receipts),
]
