"""Secrets from the files of a mounted folder: none has to stand in an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config import ConfigurationError, load_settings
from shared.secret_files import FOLDER

AMQP = "amqps://ledger:of-the-test@broker.example/saldo"
RING = f"2026-11-29-aaaaaa:{'a' * 64}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "SALDO_AMQP_URL_LEDGER").write_text(f"{AMQP}\n")
    (tmp_path / "SALDO_SECRET_LEDGER").write_text(RING)
    (tmp_path / "ca.crt").write_text("something else that is mounted there")
    (tmp_path / "..data").mkdir()  # as Kubernetes has it
    return tmp_path


def test_file_has_the_value_of_the_setting_that_it_is_named_for(folder: Path) -> None:
    settings = load_settings({FOLDER: str(folder)})
    assert settings.amqp_url_of("ledger") == AMQP


def test_variable_that_is_set_counts_before_the_file(folder: Path) -> None:
    own = AMQP.replace("broker", "other")
    assert (
        load_settings({FOLDER: str(folder), "SALDO_AMQP_URL_LEDGER": own}).amqp_url_of("ledger")
        == own
    )
    assert (
        load_settings({FOLDER: str(folder), "SALDO_AMQP_URL_LEDGER": ""}).amqp_url_of("ledger")
        == AMQP
    )


def test_key_ring_of_a_variable_counts_before_the_file(folder: Path) -> None:
    given = {FOLDER: str(folder), "SALDO_SECRET_LEDGER": f"2026-11-30-cccccc:{'c' * 64}"}
    assert load_settings(given).keys_of("ledger", "test").first.id == "2026-11-30-cccccc"


def test_key_ring_is_read_again_when_its_file_changes(folder: Path) -> None:
    ring = load_settings({FOLDER: str(folder)}).keys_of("ledger", "test")
    assert ring.first.id == "2026-11-29-aaaaaa"
    (folder / "SALDO_SECRET_LEDGER").write_text(f"2026-11-30-bbbbbb:{'b' * 64}\n{RING}")
    assert ring.find("2026-11-30-bbbbbb")
    assert ring.first.id == "2026-11-30-bbbbbb"


@pytest.mark.parametrize("content", ["", "\n", "of-the-test\nof-the-test", "\0", "x" * 70_000])
def test_file_that_is_no_value_is_refused_without_its_content(folder: Path, content: str) -> None:
    (folder / "SALDO_SMTP_URL").write_text(content)
    with pytest.raises(ConfigurationError, match="SALDO_SMTP_URL") as refused:
        load_settings({FOLDER: str(folder)})
    assert "of-the-test" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=FOLDER):
        load_settings({FOLDER: str(tmp_path / "none")})
