"""Checkpoints that other projects publish, loaded as they are: torchreid's OSNet, TransReID's transformers."""
