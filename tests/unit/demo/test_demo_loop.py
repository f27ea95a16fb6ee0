"""The payments in a loop of the fault tests."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import loop
from deploy.demo.loop import Place, Record, read_beliefs, run_loop


class Payer:
    """A person with one account; nothing is asked of a server."""

    repeats = 0

    @property
    def client(self) -> Payer:
        return self

    @property
    def payer(self) -> Payer:
        return self

    def accounts(self) -> list[dict[str, str]]:
        return [{"number": "0100000001"}]


def test_a_stopped_loop_finishes_the_payment_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop = threading.Event()

    def pay(_journey: Any, _lines: Any, belief: Any, _chance: Any) -> None:
        stop.set()
        belief.state = "completed"

    monkeypatch.setattr(loop, "_make_payer", lambda _: Payer())
    monkeypatch.setattr(loop, "_pay_once", pay)
    path = tmp_path / "record.jsonl"
    with path.open("w", encoding="utf-8") as file:
        run_loop(Place("", tmp_path, []), Record(file), 600.0, 1, stop)
    assert [belief.state for belief in read_beliefs(path)] == ["completed"]
