"""What the papers of an account say: its reconciliation, its certificate, its pack for a court.

Their forms are in :mod:`shared.documents.papers`. Reading order: ``reconciliation``,
``certificate``, ``court_pack``.
"""
