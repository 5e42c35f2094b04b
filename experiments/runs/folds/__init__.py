"""Folds of an arm and seed as one run."""
