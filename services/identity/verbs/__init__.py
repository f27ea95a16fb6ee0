"""The verbs of ``saldo identity``, by subject."""
