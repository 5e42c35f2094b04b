"""Views that textbooks know, beside the frontier: ROC, averages over pixels and images, calibration."""
