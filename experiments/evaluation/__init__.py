"""Images through a trained network into score histograms: torch ends here."""
