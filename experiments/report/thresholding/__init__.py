"""The report of `python -m experiments.thresholding`."""
