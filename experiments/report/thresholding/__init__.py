"""The report of `study=thresholding`."""
