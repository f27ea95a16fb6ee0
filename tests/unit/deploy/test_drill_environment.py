"""The restore drill works on its scratch server alone, whatever its operator has in his folders."""

from __future__ import annotations

from pathlib import Path

from deploy.restore_drill.checks import environment_for
from shared.config import load_settings
from shared.secret_files import FOLDER

RING = f"2026-11-29-aaaaaa:{'a' * 64}\n"


def test_commands_of_the_drill_know_no_server_that_runs(tmp_path: Path) -> None:
    for name in (
        "SALDO_DATABASE_URL_LEDGER",
        "SALDO_STAFF_DATABASE_URL",
        "SALDO_STAFF_KEYS_DATABASE_URL",
        "SALDO_KEYS_DATABASE_URL_LEDGER",
    ):
        (tmp_path / name).write_text("postgresql://saldo:x@runs.example/saldo")
    (tmp_path / "SALDO_AMQP_URL_LEDGER").write_text("amqp://ledger:x@runs.example")
    (tmp_path / "SALDO_SECRET_LEDGER").write_text(RING)
    given = {FOLDER: str(tmp_path), "SALDO_AMQP_URL": "amqp://staff:x@runs.example"}
    environment = environment_for("postgresql://scratch/data", "postgresql://scratch/keys", given)
    settings = load_settings(environment)
    assert settings.staff_database_url == "postgresql://scratch/data"
    assert settings.staff_keys_database_url == "postgresql://scratch/keys"
    assert (settings.database_urls, settings.keys_database_urls, settings.amqp_urls) == ({}, {}, {})
    assert settings.staff_amqp_url == ""
    assert settings.keys_of("ledger", "test").first.id == "2026-11-29-aaaaaa"
