"""Compare the locked packages with advisories of known holes: `make audit`."""
