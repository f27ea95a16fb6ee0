"""Running Saldo on one machine (private nodes, doubles of outside parties, demo), and releases."""
