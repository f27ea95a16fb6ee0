"""A journey waits for the database as long as it is told to."""

from __future__ import annotations

import psycopg
import pytest
import typer

from deploy.demo import __main__ as demo
from deploy.demo.company import DemoAccount, demo_accounts


class Failover:
    """No server leads for the first questions."""

    def __init__(self, lasts: int) -> None:
        self.lasts = lasts

    def __call__(self, _: str) -> list[DemoAccount]:
        self.lasts -= 1
        if self.lasts >= 0:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return list(demo_accounts())[:1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "RETRY_S", 0.001)


def test_journey_waits_for_a_server_that_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "accounts_to_pay", Failover(3))
    assert len(demo._accounts_once_answered("postgresql://nobody", 20.0)) == 1


def test_journey_without_patience_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "accounts_to_pay", Failover(1))
    with pytest.raises(typer.Exit):
        demo._accounts_once_answered("postgresql://nobody", 0.0)
    assert "make status" in capsys.readouterr().err
