"""Treatments of a run's scores, and what they reach without any training."""
