"""Saldo on one machine: private nodes, doubles of outside parties, a demo company; releases."""
