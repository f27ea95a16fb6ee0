"""How long things are kept: the operator's file, and what follows it."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from services.discovery import jobs_of
from services.identity import limits
from shared.config import SERVICES, ConfigurationError
from shared.retention import load_retention

SHIPPED = files("shared").joinpath("retention.yaml").read_text(encoding="utf-8")


def of_file(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "retention.yaml"
    path.write_text(text, encoding="utf-8")
    return {"SALDO_RETENTION": str(path)}


def test_an_operator_replaces_the_whole_file(tmp_path: Path) -> None:
    own = SHIPPED.replace("letters: 1095", "letters: 400")
    assert load_retention({}).letters == timedelta(days=1095)
    assert load_retention(of_file(tmp_path, own)).letters == timedelta(days=400)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("security_log: 1095", "security_log: 179"),
        ("letters: 1095", "letters: 0"),
        ("letters: 1095", "letters: long"),
        ("letters: 1095", "leters: 1095"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, before: str, after: str) -> None:
    with pytest.raises(ConfigurationError, match="retention"):
        load_retention(of_file(tmp_path, SHIPPED.replace(before, after)))


def test_identity_follows_the_file() -> None:
    kept = load_retention({})
    assert kept.sessions == limits.SESSION_LIFE
    assert kept.unconfirmed_registrations == limits.REGISTRATION_LIFE
    assert kept.support_codes == limits.SUPPORT_CODE_LIFE


def test_every_service_forgets_what_has_had_its_time() -> None:
    for service in SERVICES:
        assert "forget" in [job.name for job in jobs_of(service)]
    assert "forget_letters" in [job.name for job in jobs_of("notifications")]
    assert "forget_attempts" in [job.name for job in jobs_of("accounts")]
