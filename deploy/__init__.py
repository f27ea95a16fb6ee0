"""How Saldo is installed, run on one machine, tried out with a demo company, and released."""
