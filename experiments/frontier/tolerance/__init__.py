"""Precision and recall that forgive distances of up to r pixels, from two histograms per image and mask."""
