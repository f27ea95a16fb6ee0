"""Logs: one JSON object per line, with the process and the request context.

A log call names each field. Arguments, bodies and rows are never logged whole, because they may
hold personal data. Nor are the texts of exceptions, which may quote them: an exception is logged by
its type and the places in the code, whoever logs it.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any, ClassVar, TextIO

from shared import context
from shared.optional_imports import hidden
from shared.visible_text import visible_json

_TRACE = 4000
"""The most characters of a trace in a line; its end is the place that matters."""


class _Lines:
    """Where our own lines go: it stays when the process is configured anew."""

    def __init__(self) -> None:
        self.stream: TextIO = sys.stdout

    def msg(self, line: str) -> None:
        """Write one line at once. One that cannot be written stops nobody, as in the library."""
        try:
            self.stream.write(f"{line}\n")
            self.stream.flush()
        except (OSError, ValueError) as error:
            # Standard error may be the same file, on a full disk, or be closed as well.
            with suppress(OSError, ValueError):
                sys.stderr.write(f"a log line could not be written: {type(error).__name__}\n")

    debug = info = warning = error = critical = msg


_lines = _Lines()


def configure(process: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of this process to a stream (standard output) as JSON lines.

    Ours are written there as they are made: the standard library's records, handlers and
    formatters would cost as much again. Its loggers (nameko, kombu, eventlet) write the same, from
    WARNING on: their INFO lines may quote message bodies.
    """
    structlog = _structlog()
    _lines.stream = stream or sys.stdout

    def add_context(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["process"] = process
        request = context.current()
        event["actor"] = request.actor
        if request.correlation_id:
            event["correlation_id"] = request.correlation_id
        if request.command_id:
            event["command_id"] = str(request.command_id)
        if request.traceparent:
            event["trace_id"] = request.traceparent[3:35]
        elif request.correlation_id:
            event["trace_id"] = context.trace_id_of(request.correlation_id)
        return event

    chain: list[Any] = [
        add_context,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    written = structlog.processors.JSONRenderer(_encoded, ensure_ascii=False)
    structlog.configure(
        processors=[*chain, _traced, written],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_lines.stream)
    handler.addFilter(_name_exceptions)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*chain, structlog.stdlib.add_logger_name],
            processors=[
                _traced,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                written,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # nameko warns of every refusal and quotes it: we log refusals ourselves, by their code.
    logging.getLogger("nameko").setLevel(logging.ERROR)


def _encoded(event: Any, **options: Any) -> str:
    """Return JSON that is harmless on a terminal: plain JSON leaves C1 and marks of direction."""
    return visible_json(_encoder(**options).encode(event))


_encoder = cache(json.JSONEncoder)
"""One for all lines: with options, json.dumps makes one for each."""


def _traced(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the exception of an entry by its type and trace."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event.setdefault("error", type(error).__name__)
        event["trace"] = trace_of(error)
    return event


def _name_exceptions(record: logging.LogRecord) -> bool:
    """Replace exceptions among the arguments of a library's message by their types."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_named, record.args))
    elif isinstance(record.args, Mapping):
        record.args = {name: _named(one) for name, one in record.args.items()}
    return True


def _named(argument: object) -> object:
    return type(argument).__name__ if isinstance(argument, BaseException) else argument


def trace_of(error: BaseException) -> str:
    """Return where an error was raised, without its text, which may quote a row or an argument."""
    return "".join(traceback.format_tb(error.__traceback__))[-_TRACE:]


def configure_at_first_line(process: str, level: str, stream: TextIO) -> None:
    """Do what `configure` does once something is logged."""
    _FirstLine.configure = partial(configure, process, level, stream)
    logging.getLogger().handlers = [_FirstLine()]


class _FirstLine(logging.Handler):
    """Configures the logs of this process when it gets a line of a library, and passes that on."""

    configure: ClassVar[Callable[[], None] | None] = None

    @classmethod
    def now(cls) -> None:
        """Configure the logs if that is due."""
        due, cls.configure = cls.configure, None
        if due is not None:
            due()

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on."""
        self.now()
        logging.getLogger(record.name).handle(record)


def get_logger(name: str) -> Any:
    """Return the structlog logger of a module: ``log.info("what_happened", field=value)``."""
    return _Logger(f"saldo.{name}")


class _Logger:
    """The structlog logger of a module, made with its first line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        _FirstLine.now()
        return getattr(_logger(self._name), method)


@cache
def _logger(name: str) -> Any:
    return _structlog().stdlib.get_logger(name)


def _structlog() -> ModuleType:
    # It takes as long as a short verb of staff, most of which log nothing; and it would take rich
    # and Pygments for a console that none of ours has: 5 MB in each process. By one thread, once:
    # threads that begin to log at the same time would undo what the others have hidden.
    if not _imported:
        with _importing:
            if not _imported:
                with hidden("rich"):
                    _imported.append(import_module("structlog"))
    return _imported[0]


_importing, _imported = Lock(), list[ModuleType]()
