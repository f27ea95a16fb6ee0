"""A demo company for an installation: its registry, its bills, and its people over HTTP.

``python -m deploy.demo charges|load|journey|person|loop|reconcile``; the settings are the
``SALDO_*`` variables that `make up` writes to `.saldo/env`. All names, addresses and amounts are
invented.
"""
