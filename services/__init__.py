"""The six services of Saldo. None imports another: they talk over the bus."""
