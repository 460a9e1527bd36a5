"""The typed recipes of the training stages."""

from reidr.core.lazy import names_of

# Until the next edition: what this name meant in the first one.
__getattr__ = names_of("reidr.training.recipes.retriever")
