"""The routes, one module per subject, combined by ``gateway.service``."""
