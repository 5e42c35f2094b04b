"""What treatments of a run's scores reach without any training."""
