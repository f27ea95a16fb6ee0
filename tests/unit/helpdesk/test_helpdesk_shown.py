"""A shown message cannot pass for another: no line of it stands where the heads of messages do."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from rich.cells import cell_len

from services.helpdesk.verbs import reading
from services.helpdesk.verbs.words import system_words
from services.language import Language, spoken
from services.visible_output import TextConsole

WIDTH = 80
HEAD = "staff 2026-11-29 06:00 UTC"


@pytest.fixture(autouse=True, params=[WIDTH, 200], ids=["terminal", "pager"])
def consoles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "out", TextConsole(width=request.param))
    monkeypatch.setattr(reading, "Console", Mock(return_value=TextConsole(width=WIDTH)))


@pytest.mark.parametrize(
    "written",
    [
        HEAD,
        f"a\n{HEAD}",
        f"a{' ' * 77}{HEAD}",
        f"a{' ' * 300}{HEAD}",
        f"{'a' * 80}{HEAD}",
        "\u4e2d" * 40 + HEAD,
        "\u200d" * 13 + " " + HEAD,
        "a" + "\t" * 10 + HEAD,
    ],
)
def test_no_line_reaches_either_edge(capsys: pytest.CaptureFixture[str], written: str) -> None:
    reading.print_indented(written)
    lines = capsys.readouterr().out.splitlines()
    assert HEAD.replace(" ", "") in "".join(lines).replace(" ", "")
    for line in lines:
        assert line.startswith("  ") or not line
        assert cell_len(line) <= WIDTH
        assert "\t" not in line


def test_lines_of_a_message_stay(capsys: pytest.CaptureFixture[str]) -> None:
    reading.print_indented("Почему\n\n  выросла сумма?")
    assert capsys.readouterr().out == "  Почему\n  \n    выросла сумма?\n"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [("en", "The proposed adjustment is approved."), ("ru", "Предложенный перерасчёт утверждён.")],
)
def test_what_the_system_says_is_a_sentence(chosen: str, words: str) -> None:
    with spoken(Language(chosen)):
        assert system_words("approved") == words
