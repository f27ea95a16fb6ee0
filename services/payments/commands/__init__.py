"""The verbs of `saldo payments`, a module for each subject."""
