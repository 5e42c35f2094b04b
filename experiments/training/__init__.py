"""The loop, the network, evaluation, checkpoint and resume."""
