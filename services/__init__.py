"""The services of Saldo. None imports another: they communicate over the bus."""
