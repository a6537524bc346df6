"""What a run keeps so that the same command goes on with it, and with nothing else."""
