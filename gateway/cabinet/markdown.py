"""The Markdown of descriptions as HTML: whole texts, and single lines."""

from __future__ import annotations

import re
from functools import lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup, escape


@lru_cache(maxsize=32)
def prose(text: str) -> Markup:
    """Return a text as HTML; HTML inside it stays text."""
    made = MarkdownIt("commonmark", {"html": False})
    return Markup(made.render(text))  # noqa: S704 - html=False escapes everything


def coded(text: str) -> Markup:
    """Return one line as HTML: what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
