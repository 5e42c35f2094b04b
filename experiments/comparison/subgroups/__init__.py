"""Verdicts for parts of the test images, and whether an arm's gain differs between them."""
