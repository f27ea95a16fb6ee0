"""The settings of the simulated bank."""

from __future__ import annotations

import pytest

from deploy.doubles.acquirer.settings import SettingsError, load_bank_settings

ENVIRONMENT = {"SALDO_ACQUIRER_PASSWORD": "password", "SALDO_ACQUIRER_SECRET": "secret"}


def test_callbacks_are_signed_by_the_shared_key_unless_a_setting_says_otherwise() -> None:
    assert not load_bank_settings(ENVIRONMENT).signs_by_own_key
    by_rsa = {**ENVIRONMENT, "SALDO_ACQUIRER_SIGNATURE": "rsa"}
    assert load_bank_settings(by_rsa).signs_by_own_key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SALDO_ACQUIRER_SIGNATURE", "md5"),
        ("SALDO_ACQUIRER_PASSWORD", ""),
        ("SALDO_ACQUIRER_SECRET", ""),
        ("SALDO_ACQUIRER_URL", "https://127.0.0.1:18090"),
    ],
)
def test_unusable_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_bank_settings({**ENVIRONMENT, name: value})
