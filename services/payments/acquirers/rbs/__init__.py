"""The RBS REST protocol, by which Sber and many other Russian banks take cards.

Server to server only: the card is entered on the acquirer's page and never comes here. Payments
have one stage: what the payer confirms is charged at once.
"""

from services.payments.acquirers import Acquirer
from services.payments.acquirers.rbs.client import RbsAcquirer
from shared.acquirer_settings import AcquirerSettings


def connect(settings: AcquirerSettings) -> Acquirer:
    """Return the bank of these settings.

    Raises ConfigurationError for a key of callbacks that cannot be used.
    """
    return RbsAcquirer(settings)
