"""The schemas of the API, one module per subject. They check requests and make OpenAPI."""
