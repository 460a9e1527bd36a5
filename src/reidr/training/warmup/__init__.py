"""The discriminative warm-up."""
