"""Saldo on one machine, without Docker: private nodes, services, and their supervisor.

``python -m deploy.embedded up|down|reset|status|env`` is what the Makefile calls; programs use
``deploy.embedded.installation.Installation``.
"""
