"""Mutation testing of the modules that compute sums of money; see README.md."""
