"""Where the key of the seal comes from."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.keys import DEFAULT_NAME, seal_keys
from shared.config import ConfigurationError, Settings

SETTINGS = Settings(amqp_url="", secret=bytes(range(32)))
SEED = bytes(range(100, 132))
WRITTEN = base64.b64encode(SEED).decode()


def test_without_a_key_of_its_own_it_is_derived_from_the_master_secret() -> None:
    keys = seal_keys(SETTINGS, {})
    assert keys.trusted == (Signer(DEFAULT_NAME, SETTINGS.derive_key("ledger/seal")).verifier,)
    assert keys.origin == DEFAULT_NAME
    other = seal_keys(Settings(amqp_url="", secret=bytes(32)), {})
    assert other.signer.verifier.public != keys.signer.verifier.public


def test_a_key_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "seal.key"
    file.write_text(f"{WRITTEN}\n", encoding="ascii")
    expected = Signer("billing.example/ledger", SEED).verifier
    for value in (WRITTEN, str(file)):
        environ = {
            "SALDO_LEDGER_SEAL_KEY": value,
            "SALDO_LEDGER_SEAL_NAME": "billing.example/ledger",
        }
        assert seal_keys(SETTINGS, environ).signer.verifier == expected


def test_what_older_keys_signed_stays_valid() -> None:
    old = [Signer("old.example", bytes([number]) * 32).verifier for number in (1, 2)]
    keys = seal_keys(SETTINGS, {"SALDO_LEDGER_SEAL_OLD_KEYS": " ".join(map(str, old))})
    assert keys.trusted == (keys.signer.verifier, *old)


@pytest.mark.parametrize(
    "environ",
    [
        {"SALDO_LEDGER_SEAL_KEY": "no-such-file"},
        {"SALDO_LEDGER_SEAL_KEY": WRITTEN[:-1]},
        {"SALDO_LEDGER_SEAL_KEY": "!" + WRITTEN[1:]},
        {"SALDO_LEDGER_SEAL_KEY": base64.b64encode(bytes(31)).decode()},
        {"SALDO_LEDGER_SEAL_NAME": "with space"},
        {"SALDO_LEDGER_SEAL_OLD_KEYS": "nonsense"},
    ],
)
def test_a_key_that_cannot_be_used_is_refused_without_repeating_it(
    environ: dict[str, str],
) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_SEAL") as refused:
        seal_keys(SETTINGS, environ)
    assert WRITTEN[:10] not in str(refused.value)
