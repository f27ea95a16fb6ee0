"""A malformed database URL is refused without quoting it."""

from __future__ import annotations

import pytest

from shared.config import ConfigurationError
from shared.database import connection_info


@pytest.mark.parametrize(
    "url", ["postgresql:1//u:hunter2@h/db", "hunter2", "postgresql://u:hunter2@[h"]
)
def test_malformed_database_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connection_info(url, "ledger", statement_timeout_ms=0)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert "database URL of ledger" in str(refused.value)
