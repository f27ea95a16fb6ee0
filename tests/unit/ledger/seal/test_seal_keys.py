"""The sources of the seal's key."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.keys import DEFAULT_NAME, seal_keys
from shared.config import ConfigurationError, Settings

SETTINGS = Settings(amqp_url="", secret=bytes(range(32)))
SEED = bytes(range(100, 132))
SEED_BASE64 = base64.b64encode(SEED).decode()


def test_key_is_derived_from_the_master_secret_by_default() -> None:
    keys = seal_keys(SETTINGS, {})
    assert keys.trusted == (Signer(DEFAULT_NAME, SETTINGS.derive_key("ledger/seal")).verifier,)
    assert keys.origin == DEFAULT_NAME
    other = seal_keys(Settings(amqp_url="", secret=bytes(32)), {})
    assert other.signer.verifier.public != keys.signer.verifier.public


def test_key_is_read_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "seal.key"
    file.write_text(f"{SEED_BASE64}\n", encoding="ascii")
    expected = Signer("billing.example/ledger", SEED).verifier
    for value in (SEED_BASE64, str(file)):
        environ = {
            "SALDO_LEDGER_SEAL_KEY": value,
            "SALDO_LEDGER_SEAL_NAME": "billing.example/ledger",
        }
        assert seal_keys(SETTINGS, environ).signer.verifier == expected


def test_old_keys_stay_trusted_up_to_the_size_that_they_signed() -> None:
    old = [
        replace(Signer("old.example", bytes([number]) * 32).verifier, until=number * 100)
        for number in (1, 2)
    ]
    keys = seal_keys(SETTINGS, {"SALDO_LEDGER_SEAL_OLD_KEYS": " ".join(map(str, old))})
    assert keys.trusted == (keys.signer.verifier, *old)


@pytest.mark.parametrize(
    "environ",
    [
        {"SALDO_LEDGER_SEAL_KEY": "no-such-file"},
        {"SALDO_LEDGER_SEAL_KEY": SEED_BASE64[:-1]},
        {"SALDO_LEDGER_SEAL_KEY": "!" + SEED_BASE64[1:]},
        {"SALDO_LEDGER_SEAL_KEY": base64.b64encode(bytes(31)).decode()},
        {"SALDO_LEDGER_SEAL_NAME": "with space"},
        {"SALDO_LEDGER_SEAL_OLD_KEYS": "nonsense"},
        {"SALDO_LEDGER_SEAL_OLD_KEYS": str(Signer("old.example", bytes(32)).verifier)},
    ],
)
def test_unusable_key_is_refused_without_being_quoted(
    environ: dict[str, str],
) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_SEAL") as refused:
        seal_keys(SETTINGS, environ)
    assert SEED_BASE64[:10] not in str(refused.value)
