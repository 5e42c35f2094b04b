"""Folds: each image is tested once, by a network that saw none of its group."""
