"""Erasure: a gallery's crops and all that is known to be kept of them, with a receipt."""
