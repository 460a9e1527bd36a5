"""Rewards of reinforcement learning: one file each, with a function `reward` of the kind that TRL's trainers take."""
