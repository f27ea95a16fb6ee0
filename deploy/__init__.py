"""How Saldo is installed and run: on one machine, in containers, in a cluster."""
