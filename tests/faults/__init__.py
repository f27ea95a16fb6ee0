"""Faults: processes are killed while people pay; then every kopeck must be where it belongs."""
