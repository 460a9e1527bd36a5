"""A training without weights: its model, its passes and its memory, on tensors that have no contents."""
