"""What of a search, a case or a gallery is written to files."""
