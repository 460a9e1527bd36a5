"""What keeps a training of a large model within the memory of one GPU; docs/memory.md has the sums."""
