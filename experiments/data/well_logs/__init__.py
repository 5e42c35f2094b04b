"""Synthetic raster well logs."""
