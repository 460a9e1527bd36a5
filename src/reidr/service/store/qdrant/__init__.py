"""A gallery in Qdrant, on a server or in its local mode."""
