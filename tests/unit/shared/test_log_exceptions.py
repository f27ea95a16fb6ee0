"""Exceptions in the log: their types and traces, never their texts, which may quote data."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from shared import logs

SECRET = "Key (email)=(ivanova@example.com) already exists"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process with its logs set up has written."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", root.level)
    stream = io.StringIO()
    logs.configure("test", "INFO", stream)
    yield stream
    structlog.reset_defaults()


def by_log_exception(error: Exception) -> None:
    logs.get_logger("test").exception("job_failed")


def by_exc_info(error: Exception) -> None:
    logs.get_logger("test").warning("job_failed", exc_info=True)


def by_the_exception_itself(error: Exception) -> None:
    logs.get_logger("test").error("job_failed", exc_info=error)


def by_a_tuple(error: Exception) -> None:
    logs.get_logger("test").error("job_failed", exc_info=sys.exc_info())


def by_a_library(error: Exception) -> None:
    """As nameko does in its containers."""
    logging.getLogger("nameko.containers").exception("job_failed %s: %s", "worker", error)


def by_a_library_with_named_arguments(error: Exception) -> None:
    logging.getLogger("kombu").error("job_failed %(why)s", {"why": error}, exc_info=True)


@pytest.mark.parametrize(
    "write",
    [
        by_log_exception,
        by_exc_info,
        by_the_exception_itself,
        by_a_tuple,
        by_a_library,
        by_a_library_with_named_arguments,
    ],
)
def test_exception_is_logged_by_type_and_place(
    written: io.StringIO, write: Callable[[Exception], None]
) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            raise ValueError(SECRET) from cause
    except ValueError as error:
        write(error)
    assert "ivanova" not in written.getvalue()
    entry: dict[str, Any] = json.loads(written.getvalue())
    assert entry["event"].startswith("job_failed")
    assert entry["error"] == "ValueError"
    assert "test_exception_is_logged_by_type_and_place" in entry["trace"]
    assert "exception" not in entry


def test_library_that_logs_an_exception_names_its_type(written: io.StringIO) -> None:
    logging.getLogger("nameko.rpc").error("error handling worker %s: %s", 7, OSError(SECRET))
    assert json.loads(written.getvalue())["event"] == "error handling worker 7: OSError"


def test_exc_info_outside_of_an_exception_is_nothing(written: io.StringIO) -> None:
    logs.get_logger("test").warning("odd", exc_info=True)
    entry = json.loads(written.getvalue())
    assert "trace" not in entry
    assert "error" not in entry


def test_line_that_cannot_be_written_stops_nobody(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where standard error is the same full disk."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("no space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    monkeypatch.setattr(written, "write", Full().write)
    logs.get_logger("test").info("lost")
