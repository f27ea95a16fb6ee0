"""The verbs of ``saldo payments``, by subject."""
