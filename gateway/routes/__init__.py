"""The routes, one module per subject; ``gateway.service`` puts them together."""
