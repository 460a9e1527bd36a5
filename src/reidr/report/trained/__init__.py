"""Pages of trainings: curves, rollouts, and one table of results."""
