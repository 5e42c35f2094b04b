"""Samplings: which tiles make up a training batch."""
