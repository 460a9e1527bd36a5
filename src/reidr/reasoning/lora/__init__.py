"""Checkpoints that are LoRA weights (Hu et al. 2022) on another checkpoint: writing, reading, merging."""
