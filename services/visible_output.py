"""Output of staff CLIs that shows what others wrote, and obeys nothing of it.

A text passes one of two places: the console, for whatever Rich draws, and the streams of the
process, for the rest: lines of JSON, messages of the argument parser, the trace of an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from services.verbs import LazyGroup
from shared.visible_text import SHAPELESS, visible


class TextConsole(Console):
    """A console that takes every string as text: no markup, no shapeless characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text to show."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of a renderable; a styled text loses its styles if it is hostile."""
        if isinstance(renderable, Text) and SHAPELESS.search(renderable.plain):
            renderable = Text(visible(renderable.plain), style=renderable.style)
        return super().render(renderable, options)


class VisibleStream:
    """A text stream that writes shapeless characters out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.rich_proxied_file = stream
        """Where Rich writes: its own sequences are meant, and its texts have passed a console."""

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        self._stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines that have their ends."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class VisibleGroup(LazyGroup):
    """The root of the command line; its refusals of arguments show what was typed."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the arguments of the root."""
        with _visible_refusals():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Parse the other arguments, and run the verb."""
        with _visible_refusals():
            return super().invoke(ctx)


def make_streams_visible() -> None:
    """Replace the standard streams of this process."""
    sys.stdout = cast(TextIO, VisibleStream(sys.stdout))
    sys.stderr = cast(TextIO, VisibleStream(sys.stderr))


@contextmanager
def _visible_refusals() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        error.message = visible(error.message)
        raise
