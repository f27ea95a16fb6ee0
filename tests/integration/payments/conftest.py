"""The bank's process, and the acquirer that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from services.payments.acquirers import Acquirer, open_acquirer
from tests.integration.payments.bank_process import BankProcess, Merchant, settings_for
from tests.serving_http import serving


@pytest.fixture(scope="module")
def merchant() -> Iterator[Merchant]:
    merchant = Merchant()
    with serving(merchant.respond) as address:
        merchant.url = f"http://{address}"
        yield merchant


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, merchant: Merchant) -> Iterator[BankProcess]:
    bank = BankProcess(tmp_path_factory.mktemp("bank"), merchant)
    yield bank
    assert bank.stop() == 0


@pytest.fixture(autouse=True)
def no_faults(bank: BankProcess, merchant: Merchant) -> None:
    requests.delete(f"{bank.url}/admin/faults", timeout=5).raise_for_status()
    merchant.status = 200


@pytest.fixture
def acquirer(bank: BankProcess) -> Acquirer:
    return open_acquirer(settings_for(bank))
