"""How long the property tests of the ledger may look for an example that breaks a rule."""

from __future__ import annotations

from hypothesis import settings

# For mutation testing, where each of hundreds of mutants runs all of them: the same few examples.
settings.register_profile("mutation", max_examples=12, derandomize=True, deadline=None)
