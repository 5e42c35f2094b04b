"""Masks of strokes read as curves: one value per row, and how far it is from the true one."""
