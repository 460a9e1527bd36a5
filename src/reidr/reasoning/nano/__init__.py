"""The small reasoner that ships."""
