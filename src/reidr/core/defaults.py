"""Defaults that several commands and functions share."""

DEFAULT_K = 10
"""First candidates of a query that are shown, and put before a reasoner."""
