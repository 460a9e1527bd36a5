"""A gallery in one SQLite file, with a memory-mapped block of its vectors beside it for searching."""
