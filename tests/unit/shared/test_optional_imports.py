"""Optional dependencies are hidden from a library, and from nobody else."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from shared import logs
from shared.optional_imports import hidden


def test_hidden_package_looks_as_if_it_were_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with hidden("wave"), pytest.raises(ImportError):
        importlib.import_module("wave")
    assert importlib.import_module("wave")


def test_package_that_is_in_use_stays_visible() -> None:
    with hidden("json"):
        assert importlib.import_module("json") is sys.modules["json"]
    assert sys.modules["json"]


def test_logs_take_no_console_with_them() -> None:
    program = (
        "import sys; from shared import logs; logs.configure('test'); "
        "logs.get_logger('test').info('written'); "
        "print(sorted({'rich', 'pygments'} & sys.modules.keys()), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert '"event": "written"' in result.stdout
    assert result.stderr == "[]\n"


def test_logger_of_a_thread_that_begins_later_hides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two threads at once would take away from each other what they have hidden."""
    logs.get_logger("begun").bind()

    def hide(*_: str) -> None:
        raise AssertionError("hidden from every thread of the process")

    monkeypatch.setattr(logs, "hidden", hide)
    logs.get_logger("begun later").bind()
