"""What is shown as facts, a block each, fits a terminal of 80 columns, and a pipe as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from uuid import UUID

import pytest

from services import terminal
from services.language import Language, spoken
from services.ledger import policy as operator_policy
from services.ledger.commands import policy as policy_command
from services.ledger.commands import proposals as proposals_command
from services.visible_output import TextConsole

PROPOSED = "0e04a68b-45f0-587e-b3d7-dfc34b952624"


class AnsweringLedger:
    """Stands in for the ledger's RPCs: each has the same result."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def ask(self, _method: str, **_arguments: Any) -> Any:
        return self.result


@pytest.fixture(params=[80, 200])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StringIO:
    found = StringIO()
    console = TextConsole(file=found, width=request.param)
    for module in (terminal, proposals_command):
        monkeypatch.setattr(module, "out", console)
    return found


def answer(monkeypatch: pytest.MonkeyPatch, module: Any, result: Any) -> None:
    @contextmanager
    def calls(_service: str) -> Iterator[AnsweringLedger]:
        yield AnsweringLedger(result)

    monkeypatch.setattr(module, "calls_to", calls)


@pytest.mark.parametrize("language", Language)
def test_the_choices_of_the_operator_fit_80_columns(
    monkeypatch: pytest.MonkeyPatch, written: StringIO, language: Language
) -> None:
    found = operator_policy.policy("monthly")
    answer(monkeypatch, policy_command, found)
    with spoken(language):
        policy_command.policy()
    assert all(len(line) <= 80 for line in written.getvalue().splitlines())
    assert all(choice["name"] in written.getvalue() for choice in found["choices"])


def test_what_a_proposal_would_be_refused_for_is_in_the_language_of_the_output(
    monkeypatch: pytest.MonkeyPatch, written: StringIO
) -> None:
    refused = {
        "code": "service_not_billed",
        "message": "The bill of 2025-03 has no lift; it has heating.",
        "params": {"service": "lift"},
    }
    correction = {
        "type": "adjust_charges",
        "period": "2025-03",
        "lines": [{"service": "lift", "amount": -100}],
    }
    row = {
        "proposal_id": PROPOSED, "correction": correction, "accounts": ["0100000002"],
        "amount": 100, "reason": "act 8", "proposed_by": "staff:clerk",
        "proposed_at": "2025-07-16T12:00:00+03:00", "state": "open",
        "decided_by": "", "decided_at": None, "preview": {"refused": refused},
    }  # fmt: skip
    answer(monkeypatch, proposals_command, row)
    with spoken(Language.RU):
        proposals_command.show_proposal(UUID(PROPOSED))
    assert "Услуги lift в начислениях за этот месяц нет." in written.getvalue()
