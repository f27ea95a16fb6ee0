"""Who pays for an account."""

from __future__ import annotations

from enum import StrEnum


class PayerKind(StrEnum):
    """Who pays for an account; it decides the penalty rules (ЖК РФ ст. 155 ч. 14, 14.1).

    Capital repair is a kind of its own, whoever pays it. The one list: accounts and the ledger
    import it. A kind may be added within a version.
    """

    HOUSEHOLD = "household"
    ORGANISATION = "organisation"
    MANAGING_COMPANY = "managing_company"
    CAPITAL_REPAIR = "capital_repair"
