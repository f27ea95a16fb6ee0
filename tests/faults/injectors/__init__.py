"""The kinds of trouble, a module per subject."""
