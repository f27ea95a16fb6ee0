"""The file of rules shipped, and how a test writes one that differs from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.ledger.penalties import rules

SHIPPED = Path(rules.__file__).with_name("rules.yaml")

WriteRules = Callable[..., Path]
