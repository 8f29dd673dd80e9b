"""The map of a plan as one file that needs nothing else."""
