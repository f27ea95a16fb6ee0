"""Faults: processes are killed during payments, and every kopeck must be accounted for."""
