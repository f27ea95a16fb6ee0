"""Mutation testing of the modules that reckon with money; see README.md beside it."""
