"""Work over very many crops: embedded and compared by several processes, here or on a Ray cluster."""
