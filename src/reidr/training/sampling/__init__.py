"""Choosing the pairs worth reinforcing."""
