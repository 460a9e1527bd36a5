"""What is watched during reinforcement learning: held-out pairs, and a page with rollouts."""
