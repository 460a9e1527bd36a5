"""A gallery that is a database: crops with their embeddings, added, searched, put together, taken apart and erased."""
