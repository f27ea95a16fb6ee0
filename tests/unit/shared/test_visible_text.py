"""Characters without a shape are seen, or are gone."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
import structlog

from shared import logs
from shared.visible_text import SHAPELESS, visible, visible_json, without_shapeless
from tests.hostile_texts import HOSTILE, shapeless


def test_every_character_without_a_shape_is_known() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert shapeless(every) - set(SHAPELESS.findall(every)) == set()
    assert not SHAPELESS.search("Ёлка\n\t«№ 5» — 4 500,00 ₽ 👍🏽 日本 اردو")


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_visible_text_names_what_it_has(hostile: str) -> None:
    assert not shapeless(visible(hostile))
    assert visible("\u202e\x9b\x1b\U000e0041\ud800") == r"\u202e\x9b\x1b\U000e0041\ud800"
    assert json.loads(visible_json(json.dumps(hostile, ensure_ascii=False))) == hostile


def test_what_a_document_brings_along_is_taken_off_a_text() -> None:
    pasted = "\ufeffПоче\xadму\u202e так?\r\nстр. 2\x0cстр. 3\u2028\u200bконец"
    assert without_shapeless(pasted) == "Почему так?\nстр. 2\nстр. 3\nконец"


def test_an_emoji_of_several_people_stays_whole() -> None:
    assert without_shapeless("👨\u200d👩\u200d👧") == "👨\u200d👩\u200d👧"


@pytest.mark.parametrize("control", ["\x00", "\x1b[31m", "\x9b31m", "\x7f", "\x08", "\ud800"])
def test_a_control_character_is_nobodys_writing(control: str) -> None:
    assert without_shapeless(f"Вопрос {control}") is None


@pytest.mark.parametrize("hostile", [*HOSTILE.values(), "\ud800"])
def test_a_log_line_is_harmless_on_a_terminal(
    hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", root.level)
    stream = io.StringIO()
    logs.configure("test", "INFO", stream)
    logs.get_logger("test").info("asked", text=hostile)
    logging.getLogger("kombu").warning("message %s", hostile)
    structlog.reset_defaults()
    lines = stream.getvalue().splitlines()
    assert json.loads(lines[0])["text"] == hostile
    assert hostile in json.loads(lines[1])["event"]
    assert not shapeless(stream.getvalue())
