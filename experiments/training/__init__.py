"""Training: setup, network, loop, checkpoint and resume."""
