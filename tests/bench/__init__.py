"""Benchmarks: what Saldo does beside a reference measured in the same run (``make bench``)."""
