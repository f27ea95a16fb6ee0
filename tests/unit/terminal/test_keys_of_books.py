"""The books of the ledger share its key ring: none of its keys goes while a book needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from services import keys_verbs
from services.cli import app


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The old key has sealed something in the second book alone."""
    ring = tmp_path / "ring"
    ring.write_text(f"new:{'a' * 64}\nold:{'b' * 64}\n", encoding="utf-8")
    ring.chmod(0o600)
    monkeypatch.delenv("SALDO_SECRET", raising=False)
    monkeypatch.setenv("SALDO_SECRET_LEDGER_FILE", str(ring))
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north")

    @contextmanager
    def opened(log: str, **_: Any) -> Iterator[Any]:
        yield SimpleNamespace(service=log)

    def counts(store: Any, _: Any) -> Counter[str]:
        return Counter(old=5 if store.service == "ledger_north" else 0, new=1)

    monkeypatch.setattr(keys_verbs, "opened_store", opened)
    monkeypatch.setattr(keys_verbs, "being_written", lambda *_: "")
    monkeypatch.setattr(keys_verbs, "keys_in_use", counts)


@pytest.mark.usefixtures("counted")
def test_a_key_that_a_book_needs_is_not_dropped() -> None:
    refused = CliRunner().invoke(app, ["keys", "drop", "ledger", "old", "--dry-run"])
    assert refused.exit_code == 2, refused.output
    assert "saldo keys rewrap ledger_north" in " ".join(refused.output.split())


@pytest.mark.usefixtures("counted")
def test_what_a_key_has_sealed_is_shown_of_each_book() -> None:
    shown = CliRunner().invoke(app, ["keys", "status", "ledger", "--json"])
    assert shown.exit_code == 0, shown.output
    assert '"owner":"ledger_north","id":"old"' in "".join(shown.output.split())
