"""The sources of the seal's keys: the private one for the sealer, public ones for everybody."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.keys import DEFAULT_NAME, seal_keys, verifier_keys
from services.ledger.seal.rotation import adopt, create
from shared.config import ConfigurationError
from shared.keys import MASTER, GivenKeys, Key, KeyRing

SEED = bytes(range(100, 132))
SEED_BASE64 = base64.b64encode(SEED).decode()
SIGNER = Signer(DEFAULT_NAME, SEED)
OLD = [
    replace(Signer("old.example", bytes([number]) * 32).verifier, until=number * 100)
    for number in (1, 2)
]


def test_sealer_needs_its_key_and_nothing_takes_its_place() -> None:
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_SEAL_KEY"):
        seal_keys({"SALDO_SECRET": "00" * 32, "SALDO_SECRET_LEDGER": f"a:{'00' * 32}"})
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_SEAL_VERIFIER"):
        verifier_keys({"SALDO_LEDGER_SEAL_KEY": SEED_BASE64, "SALDO_SECRET": "00" * 32})


def test_key_is_read_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "seal.key"
    file.write_text(f"{SEED_BASE64}\n", encoding="ascii")
    expected = Signer("billing.example/ledger", SEED).verifier
    as_long_as_a_seed = Path("k" * len(SEED_BASE64))
    monkeypatch.chdir(tmp_path)
    as_long_as_a_seed.write_text(f"{SEED_BASE64}\n", encoding="ascii")
    for value in (SEED_BASE64, str(file), str(as_long_as_a_seed)):
        environ = {
            "SALDO_LEDGER_SEAL_KEY": value,
            "SALDO_LEDGER_SEAL_NAME": "billing.example/ledger",
        }
        keys = seal_keys(environ)
        assert (keys.signer.verifier, keys.trusted) == (expected, (expected,))


def test_old_keys_stay_trusted_up_to_the_size_that_they_signed(tmp_path: Path) -> None:
    trusted = (SIGNER.verifier, *OLD)
    file = tmp_path / "verifiers"
    file.write_text("".join(f"{key}\n" for key in trusted), encoding="utf-8")
    for environ in (
        {"SALDO_LEDGER_SEAL_VERIFIER": " ".join(map(str, trusted))},
        {"SALDO_LEDGER_SEAL_VERIFIER_FILE": str(file)},
        {
            "SALDO_LEDGER_SEAL_VERIFIER": str(SIGNER.verifier),
            "SALDO_LEDGER_SEAL_OLD_KEYS": " ".join(map(str, OLD)),
        },
    ):
        assert verifier_keys(environ) == trusted
        assert seal_keys({**environ, "SALDO_LEDGER_SEAL_KEY": SEED_BASE64}).trusted == trusted


def test_sealer_does_not_sign_with_a_key_that_has_retired() -> None:
    retired = replace(SIGNER.verifier, until=5)
    successor = Signer(DEFAULT_NAME, bytes(32)).verifier
    with pytest.raises(ConfigurationError, match="not the key that signs now"):
        seal_keys(
            {
                "SALDO_LEDGER_SEAL_KEY": SEED_BASE64,
                "SALDO_LEDGER_SEAL_VERIFIER": f"{successor} {retired}",
            }
        )


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
        {"SALDO_LEDGER_SEAL_VERIFIER": f"{SIGNER.verifier} {Signer('o', bytes(32)).verifier}"},
        {"SALDO_LEDGER_SEAL_VERIFIER_FILE": "/no/such/file"},
    ],
)
def test_unusable_key_is_refused_without_being_quoted(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_SEAL") as refused:
        seal_keys({"SALDO_LEDGER_SEAL_KEY": SEED_BASE64, **environ})
    assert SEED_BASE64[:10] not in str(refused.value)


def test_first_key_is_the_sealers_file_alone(tmp_path: Path) -> None:
    key, verifiers = tmp_path / "key", tmp_path / "verifiers"
    made = create(key, verifiers)
    assert key.stat().st_mode & 0o777 == 0o600
    environ = {"SALDO_LEDGER_SEAL_VERIFIER_FILE": str(verifiers)}
    assert verifier_keys(environ) == (made,)
    assert not seal_keys({**environ, "SALDO_LEDGER_SEAL_KEY": str(key)}).derived
    with pytest.raises(FileExistsError):
        create(key, verifiers)


def test_key_that_followed_from_the_master_secret_is_adopted_to_be_changed(tmp_path: Path) -> None:
    secret, key, verifiers = bytes(range(32)), tmp_path / "key", tmp_path / "verifiers"
    adopt(secret, key, verifiers)
    ring = KeyRing("saldo/ledger/seal", [GivenKeys([Key(MASTER, secret)])])
    keys = seal_keys(
        {"SALDO_LEDGER_SEAL_KEY": str(key), "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(verifiers)}
    )
    assert keys.signer.verifier == Signer(DEFAULT_NAME, ring.first.secret).verifier
    assert keys.derived
