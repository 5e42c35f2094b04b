"""Runs on disk: what one leaves, how it is read back, and which of them can be compared."""
