"""The sealer's process: requests to it, its rights, and the change of its key."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from services.cli import app as saldo
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.keys import SealKeys, seal_keys, verifier_keys
from services.ledger.seal.rotation import adopt
from services.ledger.seal.sealer import last_checkpoint, seal_log
from services.ledger.seal.tiles import SealBrokenError
from shared.config import SEALER
from tests.integration.ledger.sealed_ledger import KEYS
from tests.integration.ledger.sealer_process import Command, Sealer, found

pytestmark = pytest.mark.nodes


def test_request_without_a_sealer_says_so(command: Command) -> None:
    silent = command("checkpoint", "--patience", 1)
    assert silent.exit_code == 2
    assert "No sealer is running" in silent.output


def test_request_for_a_changed_log_says_where_to_look(sealer: Sealer, command: Command) -> None:
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 590")
    with sealer.running():
        silent = command("checkpoint", "--patience", 2)
    assert silent.exit_code == 2
    assert "saldo ledger verify" in silent.output


def test_changed_log_is_not_sealed(sealer: Sealer) -> None:
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 590")
    with pytest.raises(SealBrokenError), sealer.ledger.sealer() as cursor:
        seal_log(cursor, seal_keys(sealer.environ))
    report = sealer.ledger.read(lambda cursor: inspect_seal(cursor, KEYS.trusted))
    assert report.findings


def test_two_sealers_leave_one_valid_seal(sealer: Sealer, command: Command) -> None:
    with sealer.running(), sealer.running():
        for _ in range(4):
            sealer.ledger.write(3)
            assert command("checkpoint").exit_code == 0
    assert found(command("verify", "--json")) == set()


def test_service_with_all_its_settings_cannot_seal(sealer: Sealer) -> None:
    # As before: the runtime role, and a signing key made up or stolen.
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        sealer.ledger.store.session() as session,
    ):
        seal_log(session.cursor, KEYS)
    note = sealer.ledger.read(last_checkpoint).note
    sealer.ledger.seal()
    assert sealer.ledger.read(last_checkpoint).note != note


def test_sealer_can_only_read_events_and_add_to_the_seal(sealer: Sealer) -> None:
    for statement in (
        "INSERT INTO events SELECT * FROM events",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM publications",
        "SELECT * FROM data_keys",
        "SELECT * FROM balances",
        "SELECT * FROM commands",
        "SELECT * FROM identity.persons",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), sealer.ledger.sealer() as cursor:
            cursor.execute(statement)


def test_key_is_changed_while_the_sealer_works(sealer: Sealer, command: Command) -> None:
    with sealer.running():
        for _ in range(3):
            sealer.ledger.write(5)
            assert command("checkpoint").exit_code == 0
            sealer.rotate()
        sealer.ledger.write(5)
        assert command("checkpoint").exit_code == 0
    trusted = verifier_keys(sealer.environ)
    assert [key.until for key in trusted] == [None, 615, 610, 605]
    assert found(command("verify", "--json")) == set()
    assert seal_keys(sealer.environ).signer.verifier == trusted[0]


def test_operator_beside_the_sealer_changes_its_key(
    sealer: Sealer, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALDO_LEDGER_SEAL_KEY", str(sealer.key))
    url = sealer.ledger.database.settings.database_url_of(SEALER)
    monkeypatch.setenv("SALDO_DATABASE_URL_SEALER", url)
    rotate = ["keys", "rotate", "seal", "--reason", "yearly"]
    assert CliRunner().invoke(saldo, [*rotate, "--dry-run"]).exit_code == 0
    assert [key.until for key in verifier_keys(sealer.environ)] == [None]
    result = CliRunner().invoke(saldo, rotate)
    assert result.exit_code == 0, result.output
    now, old = verifier_keys(sealer.environ)
    assert (f"signs now: {now}" in result.output, old.until) == (True, 590)
    sealer.rotate()
    kept = (sealer.folder / "verifiers").read_text(encoding="utf-8").splitlines()
    assert kept[0].endswith(": yearly"), "comments outlive the next change"
    now, _ = verifier_keys(sealer.environ)
    assert command("key").stdout == f"{now}\n"
    with sealer.running():
        assert command("checkpoint").exit_code == 0
    assert found(command("verify", "--json")) == set()


def test_first_keys_of_a_sealer_are_written_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = ["keys", "new-seal", str(tmp_path / "a"), str(tmp_path / "b"), "--reason", "sealer"]
    assert CliRunner().invoke(saldo, [*new, "--derived"]).exit_code == 2, "without SALDO_SECRET"
    assert not (tmp_path / "a").exists()
    result = CliRunner().invoke(saldo, new)
    assert result.exit_code == 0, result.output
    environ = {
        "SALDO_LEDGER_SEAL_KEY": str(tmp_path / "a"),
        "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(tmp_path / "b"),
    }
    assert str(seal_keys(environ).signer.verifier) == result.stdout.strip()
    assert CliRunner().invoke(saldo, new).exit_code == 2, "there is one already"
    monkeypatch.setenv("SALDO_SECRET", "ab" * 32)
    new[2:4] = [str(tmp_path / "c"), str(tmp_path / "d")]
    assert CliRunner().invoke(saldo, [*new, "--derived"]).exit_code == 0
    assert seal_keys({"SALDO_LEDGER_SEAL_KEY": str(tmp_path / "c")}).derived


def test_change_of_the_key_that_broke_off_stops_the_sealer_until_it_is_repeated(
    sealer: Sealer,
) -> None:
    before = sealer.key.read_bytes()
    sealer.rotate()
    after = sealer.key.read_bytes()
    sealer.key.write_bytes(before)  # the verifiers were written, the key was not
    (sealer.folder / "key.next").write_bytes(after)
    sealer.ledger.write(1)
    with pytest.raises(Exception, match="not the key that signs now"):
        seal_keys(sealer.environ)
    sealer.rotate()
    assert sealer.key.read_bytes() == after
    with sealer.ledger.sealer() as cursor:
        sealed = seal_log(cursor, seal_keys(sealer.environ))
    assert sealed is not None
    assert sealed.added == 11


def test_key_that_followed_from_the_master_secret_retires_at_the_first_start(
    sealer: Sealer, command: Command
) -> None:
    secret = b"\7" * 32
    sealer.key.unlink()
    (sealer.folder / "verifiers").unlink()
    derived = adopt(secret, sealer.key, sealer.folder / "verifiers")
    keys = seal_keys(sealer.environ)
    sealer.ledger.reseal(SealKeys(keys.signer, keys.trusted))
    with sealer.running():
        assert command("checkpoint").exit_code == 0
    now, old = verifier_keys(sealer.environ)
    assert (old.public, old.until) == (derived.public, 590)
    assert now.public != derived.public
    assert found(command("verify", "--json")) == set()
