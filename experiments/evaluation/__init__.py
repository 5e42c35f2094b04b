"""From images through a trained network to score histograms; no code after this needs torch."""
