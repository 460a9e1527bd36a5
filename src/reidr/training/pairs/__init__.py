"""Mining candidate pairs."""
