"""A paper that a process of its own makes, for one that lasts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.documents.markdown import document_data
from shared.documents.papers import paper_pdf
from shared.documents.printing import PrintingError, printed

DOCUMENT = {"version": "2026-01-01", "title": "Инструкция", "text": "# Вход\n\nПароль — в письме."}


def test_paper_is_the_same_as_one_made_here() -> None:
    data = document_data(DOCUMENT)
    assert printed("text", data, "ru") == paper_pdf("text", data, "ru")


def test_failure_is_told_without_what_was_to_be_printed() -> None:
    with pytest.raises(PrintingError) as failed:
        printed("no-such-paper", {"title": "тайна"}, "ru")
    assert "тайна" not in str(failed.value)


def test_process_that_has_made_the_instruction_has_no_compiler() -> None:
    program = f"""
import sys
from services.notifications.instruction import instruction_pdf
assert instruction_pdf({DOCUMENT!r}).startswith(b"%PDF")
print("typst" in sys.modules)
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "False\n"
