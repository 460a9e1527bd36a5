"""Galleries that are kept, the people found in them, and who may ask: what other programs reach over HTTP."""
