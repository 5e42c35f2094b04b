"""Precision-recall frontiers from score histograms: what moves a frontier, what slides along it."""
