"""The small reasoner that ships."""

from reidr.core.lazy import names_of

# Until the next edition: what this name meant in the first one.
__getattr__ = names_of("reidr.reasoning.nano.build")
