"""The typed recipes of the training stages."""
