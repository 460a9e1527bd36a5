"""The plan of a training before anything is spent: data, pairs, memory, hours and disk."""
