"""How long the property tests of the ledger may look for an example that breaks a rule."""

from __future__ import annotations

from hypothesis import Phase, settings

# For mutation testing, where each of a thousand mutants runs them: the same few examples, and the
# first one that breaks a rule will do.
settings.register_profile(
    "mutation",
    max_examples=8,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
