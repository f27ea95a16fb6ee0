"""Benchmarks: Saldo beside a reference measured in the same run (``make bench``)."""
