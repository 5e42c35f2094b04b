"""Clusters that train the runs of a study: Slurm and Ray."""
