"""The commands of the seal: checkpoint, verify, prove, consistency, key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.ledger.cli import app
from services.ledger.seal import verifier
from services.ledger.seal.checkpoint import Checkpoint, Signer, VerifierKey
from services.ledger.seal.keys import DEFAULT_NAME, SealKeys
from tests.integration.ledger.sealed_ledger import KEYS, SealedLedger

pytestmark = pytest.mark.nodes


@pytest.fixture
def command(ledger: SealedLedger, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command of the seal on the log of the test."""
    settings = ledger.database.settings
    monkeypatch.setenv("SALDO_LEDGER_SEAL_VERIFIER", str(KEYS.signer.verifier))
    monkeypatch.setenv("SALDO_DATABASE_URL_LEDGER", settings.database_url_of("ledger"))
    monkeypatch.setenv("SALDO_STAFF_DATABASE_URL", settings.staff_database_url)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_staff_prove_and_verify_without_a_secret(
    ledger: SealedLedger, command: Callable[..., Result], tmp_path: Path
) -> None:
    kept, proof, key = (tmp_path / name for name in ("kept.txt", "proof.json", "key.txt"))
    kept.write_text(ledger.seal().note, encoding="utf-8")
    key.write_text(command("key").stdout, encoding="utf-8")
    assert json.loads(command("key", "--json").stdout)["key"] == key.read_text().strip()
    proof.write_text(command("prove", 595, "--json").stdout, encoding="utf-8")
    assert verifier.main([str(proof), "--key", str(key)]) == 0
    assert 'state: {"amount":595}' in command("prove", 595).stdout
    proof.write_text(command("consistency", 300).stdout, encoding="utf-8")
    assert command("consistency", 300, "--json").stdout == proof.read_text(encoding="utf-8")
    assert verifier.main([str(proof), "--key", str(key)]) == 0
    good = command("verify", "--against", kept, "--key", key.read_text().strip())
    assert (good.exit_code, good.stdout.count("findings: 0")) == (0, 1)
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 595")
    bad = command("verify", "--json")
    assert (bad.exit_code, json.loads(bad.stdout)["findings"][-1]["first"]) == (1, 595)
    assert "edited: the event at position 595" in command("verify").stdout
    assert command("prove", 595).exit_code == 1


def test_retired_key_proves_no_later_log(
    ledger: SealedLedger,
    command: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    old = command("key", "--retire").stdout.strip()
    assert old == f"{KEYS.signer.verifier}@590"
    new = Signer(DEFAULT_NAME, bytes(32))
    monkeypatch.setenv("SALDO_LEDGER_SEAL_VERIFIER", str(new.verifier))
    assert command("verify").exit_code == 1, "the old key is not trusted yet"
    monkeypatch.setenv("SALDO_LEDGER_SEAL_VERIFIER", f"{new.verifier} {old}")
    ledger.keys = SealKeys(new, (new.verifier, VerifierKey.parse(old)))
    assert ledger.seal().size == 600
    assert command("verify").exit_code == 0
    forged, root = tmp_path / "forged.txt", bytes(32)
    text = Checkpoint(DEFAULT_NAME, 10**8, root).text()
    forged.write_text(KEYS.signer.sign(text), encoding="utf-8")
    refused = command("verify", "--against", forged)
    assert refused.exit_code == 1
    assert "retired" in refused.stdout
    assert verifier.main([str(forged), "--key", old]) == 1


def test_bad_input_exits_with_2(command: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("nonsense", encoding="utf-8")
    for arguments in (
        ("prove", 601),
        ("prove", 595),
        ("prove", 0),
        ("consistency", 99),
        ("verify", "--key", "nonsense"),
        ("verify", "--against", tmp_path / "kept.txt"),
        ("verify", "--against", tmp_path / "nowhere"),
    ):
        assert command(*arguments).exit_code == 2
