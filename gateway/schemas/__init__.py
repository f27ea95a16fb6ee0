"""The shapes of the API, one module per subject: what is checked is what OpenAPI says."""
