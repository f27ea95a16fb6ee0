"""What a person writes is kept as people read it, or refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from shared.errors import ValidationFailed
from shared.visible_text import visible, without_shapeless
from tests.hostile_texts import HOSTILE, shapeless

ANNA = uuid4()
JOINERS = {"\u200c", "\u200d"}
"""Part of words and of emoji; they are written out in a terminal."""


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_kept_text_has_nothing_that_nobody_sees(helpdesk: Any, hostile: str) -> None:
    if without_shapeless(hostile) is None:
        with pytest.raises(ValidationFailed, match="1 to 4000 characters"):
            helpdesk.ask(ANNA, hostile)
        return
    question_id = helpdesk.ask(ANNA, hostile)
    helpdesk.answer(question_id, hostile)
    for message in helpdesk.messages(question_id):
        assert shapeless(message["text"]) <= JOINERS
        assert not shapeless(visible(message["text"]))


def test_a_text_of_invisible_characters_is_empty(helpdesk: Any) -> None:
    with pytest.raises(ValidationFailed):
        helpdesk.ask(ANNA, "\u200b\u2060\u3164 \ufeff")


@pytest.mark.parametrize("nothing", ["\ufe0f", "\u200d", "\u200c \ufe0f\n\u200d", "\u0301\u0301"])
def test_a_text_of_marks_on_nothing_is_empty(helpdesk: Any, nothing: str) -> None:
    with pytest.raises(ValidationFailed):
        helpdesk.ask(ANNA, nothing)
    question_id = helpdesk.ask(ANNA)
    with pytest.raises(ValidationFailed):
        helpdesk.add_message(ANNA, question_id, nothing)


@pytest.mark.parametrize("short", ["?", "5", "да", "👍\ufe0f", "👨\u200d👩\u200d👧", "+"])
def test_a_single_sign_is_a_text(helpdesk: Any, short: str) -> None:
    question_id = helpdesk.ask(ANNA, short)
    assert helpdesk.messages(question_id)[0]["text"] == short
