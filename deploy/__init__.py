"""Running Saldo on one machine (private nodes, doubles, a demo company), and releases."""
